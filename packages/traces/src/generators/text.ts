import { type Field, flatten, type Spec, StrataError } from '@strata/model/machine';
import type { ReadOptions, TraceReader } from '../reader.ts';
import { generatorSpec, openGenerator } from './stream.ts';

const prefix = 'gen:';

/** Whether a trace path names a generator rather than a file. */
export function isGeneratorText(path: string): boolean {
  return path.startsWith(prefix);
}

/**
 * Opens `gen:NAME,KEY=VALUE,...`, such as `gen:gups,size=1GiB,accesses=1e6,seed=42`.
 * @throws StrataError `registry.unknown-name`, `config.*`, `generator.malformed`
 */
export function openGeneratorText(path: string, options: ReadOptions = {}): TraceReader {
  const [name = '', ...settings] = path.slice(prefix.length).split(',');
  return openGenerator(name, parseSettings(name, settings), options);
}

/**
 * Values from `KEY=VALUE` texts, by the types of the generator's spec. Unknown keys are left to `resolve`, which knows the near names.
 * @throws StrataError `generator.malformed`, `registry.unknown-name`
 */
export function parseSettings(name: string, settings: readonly string[]): Record<string, unknown> {
  const spec: Spec = generatorSpec(name);
  const fields = new Map(flatten(spec).map(({ path, field }) => [path, field]));
  return Object.fromEntries(
    settings.map((setting) => {
      const equals = setting.indexOf('=');
      if (equals < 1)
        throw new StrataError({
          code: 'generator.malformed',
          what: 'a setting is malformed',
          where: `generator ${name}`,
          expected: 'KEY=VALUE',
          found: setting === '' ? 'nothing' : setting,
          mend: `Such as: gen:${name},seed=42.`,
        });
      const key = setting.slice(0, equals);
      return [key, parseValue(fields.get(key), setting.slice(equals + 1))];
    }),
  );
}

function parseValue(field: Field | undefined, value: string): unknown {
  if (field?.kind === 'flag') return value === 'true' ? true : value === 'false' ? false : value;
  if (field?.kind === 'integer' || field?.kind === 'number')
    return parseQuantity(value, field.unit === 'bytes') ?? value;
  return value;
}

const prefixes = ['', 'k', 'm', 'g', 't'];

/**
 * A number with an optional prefix: `64k`, `1GiB`, `1e6`, `0x1000`; undefined when it is none. A bare prefix is binary for bytes
 * (`64k` = 65,536) and decimal for the rest (`64k` = 64,000); `KiB` and `kB` say it themselves.
 */
function parseQuantity(text: string, isBytes: boolean): number | undefined {
  if (/^0x[0-9a-f]+$/i.test(text)) return Number(text);
  const parts = /^(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([kmgt]?)(i?b)?$/i.exec(text);
  if (parts === null) return undefined;
  const unit = parts[3]?.toLowerCase();
  const step = unit === 'ib' || (unit === undefined && isBytes) ? 1024 : 1000;
  return Number(parts[1]) * step ** prefixes.indexOf(parts[2]!.toLowerCase());
}
