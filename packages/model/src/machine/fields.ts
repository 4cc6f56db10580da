import { StrataError, suggestion } from './errors.ts';

/**
 * The schema language of designs, policies and machines: one description of a parameter gives its type, its default, validation with
 * paths in messages, `--help`, the documentation table, JSON Schema and the axes of sweeps. `model` imports nothing, hence our own.
 */
interface Described<T> {
  readonly default: T;
  /** One line for a reader who knows the field. */
  readonly summary: string;
  /** cycles, bytes, entries, ... ; part of the name as well where the type cannot hold it. */
  readonly unit?: string;
  /** Paper section, manual or specification section that the default comes from. */
  readonly source?: string;
}

export interface IntegerField extends Described<number> {
  readonly kind: 'integer';
  readonly min: number;
  readonly max: number;
}
export interface NumberField extends Described<number> {
  readonly kind: 'number';
  readonly min: number;
  readonly max: number;
}
export interface FlagField extends Described<boolean> {
  readonly kind: 'flag';
}
export interface ChoiceField<T extends string = string> extends Described<T> {
  readonly kind: 'choice';
  readonly choices: readonly T[];
}
export interface TextField extends Described<string> {
  readonly kind: 'text';
}
/** Fields of their own below one name: `tlb.l2.ways`. */
export interface GroupField<S extends Spec = Spec> {
  readonly kind: 'group';
  readonly fields: S;
  readonly summary: string;
}

export type Field = IntegerField | NumberField | FlagField | ChoiceField | TextField | GroupField;
export interface Spec {
  readonly [name: string]: Field;
}

type ValueOf<F> =
  F extends GroupField<infer S>
    ? ValuesOf<S>
    : F extends ChoiceField<infer T>
      ? T
      : F extends FlagField
        ? boolean
        : F extends TextField
          ? string
          : F extends IntegerField | NumberField
            ? number
            : never;

/** The values that a spec describes, all present. */
export type ValuesOf<S extends Spec> = { readonly [K in keyof S]: ValueOf<S[K]> };

export interface FieldNotes {
  readonly unit?: string;
  readonly source?: string;
}
export interface RangeNotes extends FieldNotes {
  /** Inclusive. Integers default to 0. */
  readonly min?: number;
  /** Inclusive. */
  readonly max?: number;
}

export function integer(
  value: number,
  summary: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER, ...notes }: RangeNotes = {},
): IntegerField {
  return { kind: 'integer', default: value, summary, min, max, ...notes };
}

export function real(
  value: number,
  summary: string,
  { min = -Infinity, max = Infinity, ...notes }: RangeNotes = {},
): NumberField {
  return { kind: 'number', default: value, summary, min, max, ...notes };
}

export function flag(value: boolean, summary: string, notes: FieldNotes = {}): FlagField {
  return { kind: 'flag', default: value, summary, ...notes };
}

export function choice<const T extends string>(
  choices: readonly T[],
  value: NoInfer<T>,
  summary: string,
  notes: FieldNotes = {},
): ChoiceField<T> {
  return { kind: 'choice', choices, default: value, summary, ...notes };
}

export function text(value: string, summary: string, notes: FieldNotes = {}): TextField {
  return { kind: 'text', default: value, summary, ...notes };
}

export function group<S extends Spec>(fields: S, summary: string): GroupField<S> {
  return { kind: 'group', fields, summary };
}

/** Values for some fields of a spec; what is absent takes its default. */
export type PartialValuesOf<S extends Spec> = {
  readonly [K in keyof S]?: S[K] extends GroupField<infer G> ? PartialValuesOf<G> : ValueOf<S[K]>;
};

/**
 * Fills in defaults and checks every value. `where` prefixes the paths of messages (`machine.tlb`).
 * @throws StrataError `config.unknown-key` (with "did you mean"), `config.wrong-type`, `config.out-of-range`, `config.unknown-choice`
 */
export function resolve<S extends Spec>(spec: S, given: unknown = {}, where = ''): ValuesOf<S> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw wrongType(where || 'configuration', 'an object', given);
  const known = Object.keys(spec);
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(spec, key))
      throw new StrataError({
        code: 'config.unknown-key',
        what: `unknown key ${key}`,
        where: where || 'configuration',
        mend: known.length === 0 ? 'It takes no keys.' : (elsewhere(key, spec) ?? suggestion(key, known)),
      });
  }
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(spec)) {
    const value = (given as Record<string, unknown>)[name];
    const path = where === '' ? name : `${where}.${name}`;
    values[name] =
      field.kind === 'group'
        ? resolve(field.fields, value ?? {}, path)
        : value === undefined
          ? field.default
          : checked(field, value, path);
  }
  return values as ValuesOf<S>;
}

function checked(field: Exclude<Field, GroupField>, value: unknown, path: string): unknown {
  switch (field.kind) {
    case 'flag':
      if (typeof value !== 'boolean') throw wrongType(path, 'true or false', value);
      return value;
    case 'text':
      if (typeof value !== 'string') throw wrongType(path, 'text', value);
      return value;
    case 'choice':
      if (typeof value !== 'string' || !field.choices.includes(value))
        throw new StrataError({
          code: 'config.unknown-choice',
          what: `unknown value ${shown(value)}`,
          where: path,
          expected: `one of ${field.choices.join(', ')}`,
        });
      return value;
    case 'integer':
    case 'number': {
      const numeral = field.kind === 'integer' ? 'an integer' : 'a number';
      if (
        typeof value !== 'number' ||
        Number.isNaN(value) ||
        (field.kind === 'integer' && !Number.isSafeInteger(value))
      )
        throw wrongType(path, numeral, value);
      if (value < field.min || value > field.max)
        throw new StrataError({
          code: 'config.out-of-range',
          what: 'value out of range',
          where: path,
          expected: `${numeral} ${rangeOf(field)}`,
          found: String(value),
        });
      return value;
    }
  }
}

/** The sentence for a key that is not known here and stands in one of the groups: `machine.tlb` for `tlb`. */
function elsewhere(key: string, spec: Spec): string | undefined {
  const paths = pathsTo(key, spec).slice(0, 3);
  return paths.length === 0 ? undefined : `Did you mean ${paths.join(' or ')}?`;
}

function pathsTo(key: string, spec: Spec): string[] {
  return Object.entries(spec).flatMap(([name, field]) => {
    if (field.kind !== 'group') return [];
    if (Object.hasOwn(field.fields, key)) return [`${name}.${key}`];
    return pathsTo(key, field.fields).map((path) => `${name}.${path}`);
  });
}

function rangeOf({ min, max }: IntegerField | NumberField): string {
  const open = max === Number.MAX_SAFE_INTEGER || max === Infinity;
  if (min === -Infinity) return open ? '' : `of at most ${max}`;
  return open ? `of at least ${min}` : `from ${min} to ${max}`;
}

function wrongType(where: string, expected: string, value: unknown): StrataError {
  return new StrataError({ code: 'config.wrong-type', what: 'wrong type', where, expected, found: shown(value) });
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/** One line of a documentation table; groups are flattened to dotted paths, which are also the names of `--set` and of sweep axes. */
export interface FieldRow {
  readonly path: string;
  readonly field: Exclude<Field, GroupField>;
}

export function flatten(spec: Spec, prefix = ''): FieldRow[] {
  return Object.entries(spec).flatMap(([name, field]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    return field.kind === 'group' ? flatten(field.fields, path) : [{ path, field }];
  });
}

/** JSON Schema (draft 2020-12) of a spec, for editors and for the page's forms. */
export function jsonSchemaOf(spec: Spec): Record<string, unknown> {
  const properties = Object.fromEntries(Object.entries(spec).map(([name, field]) => [name, propertyOf(field)]));
  return { type: 'object', additionalProperties: false, properties };
}

function propertyOf(field: Field): Record<string, unknown> {
  if (field.kind === 'group') return { ...jsonSchemaOf(field.fields), description: field.summary };
  const notes = [field.unit && `unit: ${field.unit}`, field.source && `source: ${field.source}`]
    .filter(Boolean)
    .join('; ');
  const common = { description: notes ? `${field.summary} (${notes})` : field.summary, default: field.default };
  switch (field.kind) {
    case 'flag':
      return { type: 'boolean', ...common };
    case 'text':
      return { type: 'string', ...common };
    case 'choice':
      return { type: 'string', enum: field.choices, ...common };
    case 'integer':
    case 'number':
      return {
        type: field.kind,
        ...(Number.isFinite(field.min) ? { minimum: field.min } : {}),
        ...(Number.isFinite(field.max) && field.max !== Number.MAX_SAFE_INTEGER ? { maximum: field.max } : {}),
        ...common,
      };
  }
}
