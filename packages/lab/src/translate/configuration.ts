import {
  choice,
  flag,
  group,
  integer,
  machineSpec,
  real,
  resolve,
  type Spec,
  StrataError,
  suggestion,
  text,
  type ValuesOf,
} from '@strata/model/machine';
import { checkPlan, isActive, resolveTranslationConfig, type SamplePlan, studyFields } from '@strata/model/translation';
import { type Configuration, isMapping, merge } from '../config/load.ts';
import { accessesPerMicro } from '../elastic/event-feed.ts';
import { designsWith } from './plugin.ts';

/** What a translation study reads and how; the simulators' own fields stand beside it. */
export const inputFields = {
  trace: text('', 'trace in any known format, or gen:NAME,option=value,...'),
  format: text('', 'format of the trace where it cannot be told from its content'),
  tables: text('', 'page tables of the process; empty: the operating-system model builds them'),
  hostTables: text('', 'page tables of the VM at its hypervisor'),
  unit: choice(['auto', 'bytes', 'pfn'], 'auto', 'unit of the columns of table dumps'),
  perf: text('', 'measured walk counters (perf stat, or perf-*.short of the original), for application speedups'),
  mode: choice(['correct', 'compat'], 'correct', 'correct: the machine; compat: the original simulators, bit for bit'),
  quirks: text('all', 'compat: quirks that are on: all, none, or names separated by commas'),
  page: choice(
    ['4k', '2m', '1g', 'thp', 'khugepaged'],
    '4k',
    'page size of every address space that does not say its own',
  ),
  skip: integer(0, 'accesses to leave out at the start', { unit: 'accesses' }),
  limit: integer(0, 'accesses to read at most; 0 = all', { unit: 'accesses' }),
  sample: group(
    {
      length: integer(0, 'accesses counted of each period; 0 = count everything', { unit: 'accesses' }),
      period: integer(0, 'accesses from one sample to the next', { unit: 'accesses' }),
    },
    'systematic sampling: of each period the warm-up is simulated, then length accesses are counted, the rest is left out',
  ),
  seeds: integer(1, 'simulations with this seed and the next ones, for confidence intervals', { min: 1, max: 1000 }),
  window: integer(-1, 'simulate only this window of a drmemtrace (by its window markers); -1 = everything', {
    min: -1,
  }),
  allowTruncated: flag(false, 'read a truncated trace as far as it goes'),
  plugin: text('', 'module (.ts, .mts, .js, .mjs) that exports designs of your own'),
  memoryEvents: text('', 'what resizing does to the VM meanwhile: the CSV of strata elastic events'),
  memoryEventsPace: real(accessesPerMicro, 'accesses in a microsecond, by which events find their access', {
    min: 0.001,
    max: 1_000_000,
  }),
  backMissing: flag(false, 'map pages that the tables lack on demand instead of leaving their accesses out'),
} satisfies Spec;

export type InputValues = ValuesOf<typeof inputFields>;

/** What compat mode takes besides the inputs; the original's constants stand below `compat`. */
export const compatFields = {
  setup: studyFields.setup,
  warmup: studyFields.warmup,
  seed: studyFields.seed,
  cores: integer(20, 'cores; threads go to the least loaded', { min: 1, max: 4096 }),
  prefetcher: choice(['nextline', 'none'], 'nextline', 'prefetcher of the first-level data cache'),
} satisfies Spec;

const knownKeys = [
  ...new Set([
    ...Object.keys(inputFields),
    ...Object.keys(studyFields),
    ...Object.keys(compatFields),
    'machine',
    'designs',
    'compat',
  ]),
];

/** The flat form that files and manifests hold, checked and completed. @throws StrataError `config.*` */
export function resolveFlat(given: unknown): Configuration {
  if (!isMapping(given)) throw notMapping(given);
  const unknown = Object.keys(given).find((key) => !knownKeys.includes(key));
  if (unknown !== undefined)
    throw new StrataError({
      code: 'config.unknown-key',
      what: `unknown key ${unknown}`,
      where: 'configuration',
      mend: Object.hasOwn(machineSpec, unknown) ? `Did you mean machine.${unknown}?` : suggestion(unknown, knownKeys),
    });
  const { input, rest } = split(given);
  if (input.trace === '')
    throw new StrataError({
      code: 'config.no-trace',
      what: 'no trace',
      where: 'trace',
      expected: 'a file, or a generator such as gen:gups,size=64MiB,accesses=1e6',
      mend: 'Give it with --trace.',
    });
  return input.mode === 'compat' ? resolveCompat(input, rest) : resolveCorrect(input, rest);
}

/** The typed part that both modes share, and what belongs to the simulator of the mode. */
export function split(configuration: Configuration): { input: InputValues; rest: Configuration } {
  const entries = Object.entries(configuration);
  const input = resolve(inputFields, Object.fromEntries(entries.filter(([key]) => Object.hasOwn(inputFields, key))));
  return { input, rest: Object.fromEntries(entries.filter(([key]) => !Object.hasOwn(inputFields, key))) };
}

export function isSampled({ sample }: InputValues): boolean {
  return sample.length > 0 || sample.period > 0;
}

export function samplePlanOf({ sample }: InputValues, warmup: number): SamplePlan {
  return { ...sample, warmup };
}

function resolveCorrect(input: InputValues, rest: Configuration): Configuration {
  if (rest.compat !== undefined) throw onlyIn('compat', 'compat');
  if (input.tables === '' && input.hostTables !== '')
    throw new StrataError({
      code: 'config.no-tables',
      what: 'host tables without the tables of the process',
      where: 'hostTables',
      mend: 'Give the guest tables of the same moment with --tables, or leave --host-tables out.',
    });
  if (isSampled(input)) checkPlan(samplePlanOf(input, Number(rest.warmup ?? 0)));
  const activity = resolve(
    { activity: studyFields.activity },
    rest.activity === undefined ? {} : { activity: rest.activity },
  );
  if (input.tables !== '' && isActive(activity.activity))
    throw new StrataError({
      code: 'config.activity-of-recording',
      what: 'recorded tables are what they are: no operating system is modelled that could change them',
      where: 'activity (--activity)',
      mend: 'Leave --tables out, so that the model builds the tables, or leave the activity out.',
    });
  if (input.memoryEvents !== '' && (input.tables !== '' || (rest.setup ?? studyFields.setup.default) === 'native'))
    throw new StrataError({
      code: 'config.memory-events',
      what: 'only a modelled VM can be resized',
      where: 'memoryEvents (--memory-events)',
      expected: 'the set-up virtualized or nested, without --tables',
      mend: 'Add --setup virtualized.',
    });
  const { page } = input;
  const spaces = merge({ process: { page }, vm: { page }, l1: { page } }, isMapping(rest.spaces) ? rest.spaces : {});
  return { ...input, ...resolveTranslationConfig({ ...rest, spaces }, designsWith(input.plugin)) };
}

function resolveCompat(input: InputValues, { designs, compat = {}, machine, ...rest }: Configuration): Configuration {
  if (machine !== undefined && machine !== 'artifact')
    throw new StrataError({
      code: 'config.compat-machine',
      what: 'compat mode simulates the machine of the original',
      where: 'machine',
      expected: 'artifact, or none',
      found: typeof machine === 'string' ? machine : 'a description',
      mend: 'Leave --machine out, change a constant with --set compat.NAME=VALUE, or use --mode correct.',
    });
  if (input.memoryEvents !== '')
    throw new StrataError({
      code: 'config.wrong-mode',
      what: 'the original simulators know no resizing',
      where: 'memoryEvents',
      mend: 'Leave --memory-events out, or use --mode correct.',
    });
  if (input.window >= 0)
    throw new StrataError({
      code: 'config.wrong-mode',
      what: 'the original simulators know no windows',
      where: 'window',
      mend: 'Leave --window out, or use --mode correct.',
    });
  if (isSampled(input))
    throw new StrataError({
      code: 'config.wrong-mode',
      what: 'the original simulators know no sampling',
      where: 'sample',
      mend: 'Leave --sample out, or use --mode correct.',
    });
  if (input.page === '2m' || input.page === '1g')
    throw new StrataError({
      code: 'config.wrong-mode',
      what: `the original simulators know no ${input.page} pages`,
      where: 'page',
      expected: '4k, or thp (their formulas for 2 MiB pages)',
      found: input.page,
      mend: 'Use --page thp, or --mode correct.',
    });
  if (input.tables === '')
    throw new StrataError({
      code: 'config.no-tables',
      what: 'compat mode needs the page tables of the process',
      where: 'tables',
      mend: 'Give a dump with --tables, or use --mode correct, which builds tables from the trace.',
    });
  const own = resolve(compatFields, rest);
  if (own.setup !== 'native' && input.hostTables === '')
    throw new StrataError({
      code: 'config.no-tables',
      what: `compat mode needs the page tables of the VM for the ${own.setup} set-up`,
      where: 'hostTables',
      mend: 'Give the dump of the hypervisor with --host-tables.',
    });
  return { ...input, ...own, compat, designs: designs ?? {} };
}

function onlyIn(key: string, mode: string): StrataError {
  return new StrataError({
    code: 'config.wrong-mode',
    what: `${key} has no meaning in correct mode`,
    where: key,
    mend: `Use --mode ${mode}, or leave it out.`,
  });
}

function notMapping(found: unknown): StrataError {
  return new StrataError({
    code: 'config.wrong-type',
    what: 'wrong type',
    where: 'configuration',
    expected: 'an object',
    found: JSON.stringify(found) ?? String(found),
  });
}
