import { StrataError, suggestion } from '../machine/errors.ts';
import { choice, real, resolve, text, type ValuesOf } from '../machine/fields.ts';
import { amount, entriesOf, kindName, wordsOf, wrong } from './file-values.ts';
import {
  constantNames,
  type DirectCost,
  type ExitKind,
  type Operation,
  type OperationList,
  type Profile,
} from './profile.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';
import { profiles } from './profiles/index.ts';
import { basisWord, constantsOf, deepestOf, fitPointsOf, isConstant, knownErrorsOf } from './provenance.ts';
import { vendors } from './reasons.ts';

const cycles = (summary: string) =>
  real(0, summary, { min: 0, max: Number.MAX_SAFE_INTEGER, unit: 'cycles', source: 'specification section 4.1' });

/** The scalars of a profile file, by the names of the publication's model. */
export const profileFields = {
  name: text('profile file', 'name of the profile in output'),
  summary: text('a profile of the user', 'one line on the machine'),
  source: text('profile file', 'where the constants come from'),
  vendor: choice(vendors, 'intel', 'whose exits it prices'),
  clockGHz: real(dvhPaper.clockGHz, 'clock that the cycles are of', { min: 0.001, max: 100, unit: 'GHz' }),
  HW: cycles('one hardware exit and entry'),
  RM0: cycles('software of L0 for one reflected exit and one nested entry'),
  rf: real(0.5, 'share of RM0 that is spent on reflecting', { min: 0, max: 1 }),
  d_vm: cycles('a VMCS access that does not exit'),
  sw_vm: cycles('emulating VMREAD or VMWRITE'),
  sw_ptr: cycles('emulating VMPTRLD in L0'),
  sw_ptr_above: cycles('emulating VMPTRLD at level 1 and above; sw_ptr when absent'),
  sw_inv: cycles('emulating INVEPT'),
  sw_r: cycles('direct software of reflecting at level 1 and above'),
  sw_m: cycles('direct software of running a nested guest at level 1 and above'),
  sw_switch: cycles('a switch there and back where nested guests run deprivileged; absent where they do not'),
};

/** The parts of a profile file that are maps or lists. */
const structures = [
  'extends',
  'sw',
  'swAbove',
  'HANDLER',
  'root',
  'REFLECT',
  'RUN',
  'ENTRY',
  'shadow',
  'emulatedShadow',
  'memory',
  'operations',
  'direct',
  'basis',
  'fittedTo',
  'errors',
  'errorsByKind',
  'errorOfAssumed',
  'deepest',
  'notes',
];
const knownKeys = [...Object.keys(profileFields), ...structures];

/** Spellings accepted beside the canonical ones. */
const keyAliases: Readonly<Record<string, string>> = {
  shadowLevels: 'shadow',
  shadow_levels: 'shadow',
  emulatedShadowLevels: 'emulatedShadow',
  hw: 'HW',
  rm0: 'RM0',
  handler: 'HANDLER',
  handlers: 'HANDLER',
  reflect: 'REFLECT',
  run: 'RUN',
  entry: 'ENTRY',
  memoryOperations: 'memory',
};

type Fields = Readonly<Record<string, unknown>>;

/**
 * A profile from the content of a YAML or JSON file: the constants and lists of the recursion, on top of `extends` where given.
 * What it changes is marked `assumed` unless its `basis` says where the figure comes from; a file of `profileFileOf` says it of everything.
 * @param where names the file in messages
 * @throws StrataError `config.*`, `nest.profile`
 */
export function parseProfile(given: unknown, where: string): Profile {
  const fields = flattened(given, where);
  const base = fields.extends === undefined ? undefined : profiles.get(String(fields.extends));
  const scalars: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) if (Object.hasOwn(profileFields, key)) scalars[key] = value;
  if (base === undefined)
    for (const needed of ['HW', 'RM0'])
      if (scalars[needed] === undefined)
        throw wrong(where, `${needed} is missing`, 'Give it, or `extends: dvh-paper`.');
  const values = resolve(profileFields, scalars, where);
  const has = (key: string) => scalars[key] !== undefined;
  const operations = { ...(base ?? dvhPaper).operations, ...operationsOf(fields.operations, where) };
  const profile: Profile = {
    ...(base ?? emptyProfile),
    name: has('name') ? values.name : where,
    summary: has('summary') || base === undefined ? values.summary : `${base.name}, changed: ${base.summary}`,
    source: has('source') || base === undefined ? values.source : base.source,
    vendor: has('vendor') || base === undefined ? values.vendor : base.vendor,
    clockGHz: has('clockGHz') || base === undefined ? values.clockGHz : base.clockGHz,
    hardwareCycles: has('HW') || base === undefined ? values.HW : base.hardwareCycles,
    reflectRunCycles: has('RM0') || base === undefined ? values.RM0 : base.reflectRunCycles,
    reflectShare: has('rf') || base === undefined ? values.rf : base.reflectShare,
    nativeAccessCycles: has('d_vm') || base === undefined ? values.d_vm : base.nativeAccessCycles,
    reflectSoftwareCycles: has('sw_r') || base === undefined ? values.sw_r : base.reflectSoftwareCycles,
    runSoftwareCycles: has('sw_m') || base === undefined ? values.sw_m : base.runSoftwareCycles,
    ...(has('sw_switch') && { deprivilegedSwitchCycles: values.sw_switch }),
    operations,
    kinds: kindsOf(fields, values, has, base, where),
    reflect: listOf(fields.REFLECT, base?.reflect, `${where}: REFLECT`),
    run: listOf(fields.RUN, base?.run, `${where}: RUN`),
    entry: listOf(fields.ENTRY, base?.entry, `${where}: ENTRY`),
    shadowLevels: levelsOf(fields.shadow, base?.shadowLevels ?? [1], `${where}: shadow`),
    emulatedShadowLevels: levelsOf(fields.emulatedShadow, base?.emulatedShadowLevels ?? [], `${where}: emulatedShadow`),
    memoryOperations: wordsOf(fields.memory, base?.memoryOperations ?? [], `${where}: memory`),
    direct: { ...base?.direct, ...directOf(fields.direct, where) },
    constants: constantsOf(fields, base, where),
    fittedTo: fitPointsOf(fields.fittedTo, where),
    knownErrors: knownErrorsOf(fields, where),
    ...deepestOf(fields.deepest, where),
    notes:
      fields.notes === undefined
        ? ["Constants of the user's file.", ...(base?.notes ?? [])]
        : wordsOf(fields.notes, [], `${where}: notes`),
  };
  checkLists(profile, where);
  return profile;
}

const emptyProfile: Profile = { ...dvhPaper, kinds: {}, reflect: {}, run: {}, direct: {}, constants: {}, notes: [] };

/** `constants:` and `lists:` may group keys; `sw[h]: 500` and `HANDLER[h]: {...}` may stand for entries. */
function flattened(given: unknown, where: string): Fields {
  const flat: Record<string, unknown> = {};
  const indexed: Record<string, Record<string, unknown>> = { sw: {}, HANDLER: {} };
  for (const [key, value] of entriesOf(given, where)) {
    const entry = /^(sw|HANDLER)\[(\w[\w-]*)\]$/.exec(key);
    if (key === 'constants' || key === 'lists') Object.assign(flat, flattened(value, `${where}: ${key}`));
    else if (entry !== null) indexed[entry[1]!]![entry[2]!] = value;
    else {
      const name = Object.hasOwn(keyAliases, key) ? keyAliases[key]! : key;
      if (!knownKeys.includes(name))
        throw new StrataError({
          code: 'config.unknown-key',
          what: `unknown key ${key}`,
          where,
          mend: suggestion(key, knownKeys),
        });
      flat[name] = value;
    }
  }
  for (const [name, values] of Object.entries(indexed))
    if (Object.keys(values).length > 0)
      flat[name] = { ...Object.fromEntries(entriesOf(flat[name] ?? {}, `${where}: ${name}`)), ...values };
  return flat;
}

function kindsOf(
  fields: Fields,
  values: ValuesOf<typeof profileFields>,
  has: (key: string) => boolean,
  base: Profile | undefined,
  where: string,
): Record<string, ExitKind> {
  const kinds: Record<string, ExitKind> = { ...base?.kinds };
  const change = (word: string, part: Partial<ExitKind>) => {
    const name = kindName(word);
    const old = (Object.hasOwn(kinds, name) ? kinds[name] : undefined) ?? {
      swCycles: 0,
      handler: {},
      handledBy: 'parent' as const,
    };
    kinds[name] = { ...old, ...part, basis: 'assumed' };
  };
  if (has('sw_vm')) change('vm', { swCycles: values.sw_vm });
  if (has('sw_ptr'))
    change('ptr', {
      swCycles: values.sw_ptr,
      swAboveCycles: has('sw_ptr_above') ? values.sw_ptr_above : values.sw_ptr,
    });
  else if (has('sw_ptr_above')) change('ptr', { swAboveCycles: values.sw_ptr_above });
  if (has('sw_inv')) change('inv', { swCycles: values.sw_inv });
  for (const [word, value] of entriesOf(fields.sw ?? {}, `${where}: sw`))
    change(word, { swCycles: amount(value, `${where}: sw.${word}`) });
  for (const [word, value] of entriesOf(fields.HANDLER ?? {}, `${where}: HANDLER`))
    change(word, { handler: listOf(value, {}, `${where}: HANDLER.${word}`) });
  for (const [word, value] of entriesOf(fields.swAbove ?? {}, `${where}: swAbove`))
    change(word, { swAboveCycles: amount(value, `${where}: swAbove.${word}`) });
  for (const word of wordsOf(fields.root, [], `${where}: root`)) change(word, { handledBy: 'root' });
  for (const [word, value] of entriesOf(fields.basis ?? {}, `${where}: basis`)) {
    const name = kindName(word);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind !== undefined) kinds[name] = { ...kind, basis: basisWord(value, `${where}: basis.${word}`) };
    else if (!isConstant(word))
      throw wrong(
        `${where}: basis`,
        `${word} is neither a constant nor a kind of this file`,
        suggestion(word, [...constantNames, ...Object.keys(kinds)]),
      );
  }
  return kinds;
}

function operationsOf(given: unknown, where: string): Record<string, Operation> {
  const operations: Record<string, Operation> = {};
  for (const [name, value] of entriesOf(given ?? {}, `${where}: operations`)) {
    const path = `${where}: operations.${name}`;
    const parts = Object.fromEntries(entriesOf(value, path));
    if (typeof parts.kind !== 'string')
      throw wrong(path, 'the kind that the operation exits as is missing', 'Give `kind: NAME`.');
    operations[name] = {
      access: parts.shadowable === true ? 'shadowable' : 'trap',
      kind: kindName(parts.kind),
      summary: typeof parts.summary === 'string' ? parts.summary : name,
    };
  }
  return operations;
}

function directOf(given: unknown, where: string): Record<string, DirectCost> {
  const direct: Record<string, DirectCost> = {};
  for (const [kind, value] of entriesOf(given ?? {}, `${where}: direct`)) {
    const path = `${where}: direct.${kind}`;
    const parts = Object.fromEntries(entriesOf(value, path));
    direct[kind] = {
      deltaCycles: amount(parts.delta ?? 0, `${path}.delta`),
      epsilonCycles: amount(parts.epsilon ?? 0, `${path}.epsilon`),
      basis: parts.basis === undefined ? 'assumed' : basisWord(parts.basis, `${path}.basis`),
    };
  }
  return direct;
}

function listOf(given: unknown, otherwise: OperationList | undefined, where: string): OperationList {
  if (given === undefined) return otherwise ?? {};
  if (given === null) return {};
  return Object.fromEntries(
    entriesOf(given, where).map(([name, count]) => {
      // `{S2, N1}` as the publication writes it reads in YAML as two keys without value.
      const compact = count === null ? /^([A-Za-z]+)(\d+)$/.exec(name) : null;
      return compact === null
        ? [name, amount(count, `${where}.${name}`)]
        : [compact[1]!, amount(Number(compact[2]), `${where}.${name}`)];
    }),
  );
}

function levelsOf(given: unknown, otherwise: readonly number[], where: string): readonly number[] {
  if (given === undefined) return otherwise;
  if (given === null || given === 'none' || given === false) return [];
  if (given === 'all') return Array.from({ length: 32 }, (_, index) => index + 1);
  const list = Array.isArray(given) ? given : (levelSet(given) ?? [given]);
  for (const level of list)
    if (!Number.isInteger(level) || level < 1)
      throw wrong(where, `no level: ${JSON.stringify(level)}`, 'Give a list of levels from 1 on, `none` or `all`.');
  return list;
}

/** `{1, 2}` as the publication writes it reads in YAML as keys without value. */
function levelSet(given: unknown): number[] | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const entries = Object.entries(given);
  return entries.every(([level, value]) => value === null && /^\d+$/.test(level))
    ? entries.map(([level]) => Number(level))
    : undefined;
}

function checkLists(profile: Profile, where: string): void {
  const lists = { REFLECT: profile.reflect, RUN: profile.run, ENTRY: profile.entry } as Record<string, OperationList>;
  for (const [kind, { handler }] of Object.entries(profile.kinds)) lists[`HANDLER.${kind}`] = handler;
  for (const [list, operations] of Object.entries(lists))
    for (const [name, count] of Object.entries(operations)) {
      const operation = Object.hasOwn(profile.operations, name) ? profile.operations[name] : undefined;
      if (operation === undefined)
        throw wrong(
          `${where}: ${list}`,
          `unknown operation class ${name}`,
          suggestion(name, Object.keys(profile.operations)),
        );
      const exits = !profile.memoryOperations.includes(name);
      if (exits && count > 0 && !Object.hasOwn(profile.kinds, operation.kind))
        throw wrong(
          `${where}: ${list}`,
          `operation ${name} exits as ${operation.kind}, which has no cost`,
          `Give \`sw: { ${operation.kind}: CYCLES }\`.`,
        );
    }
}
