import { existsSync } from 'node:fs';
import { StrataError } from '@strata/model/machine';
import { type Command, Option } from 'commander';
import { type Configuration, isMapping, loadConfiguration, merge, parseAssignment } from '../config/load.ts';
import { parseCount, parseSample } from '../terminal/quantities.ts';
import { settingPath } from './setting-paths.ts';

/** The options of everything that simulates translation, as commander hands them over. */
export interface TranslateOptions {
  readonly config?: string;
  readonly trace?: string;
  readonly format?: string;
  readonly tables?: string;
  readonly hostTables?: string;
  readonly unit?: string;
  readonly perf?: string;
  readonly setup?: string;
  readonly designs?: string;
  readonly mode?: string;
  readonly quirks?: string;
  readonly machine?: string;
  readonly cores?: string;
  readonly prefetcher?: string;
  readonly page?: string;
  readonly activity?: string;
  readonly memoryEvents?: string;
  readonly memoryEventsPace?: string;
  readonly plugin?: string;
  readonly warmup?: string;
  readonly skip?: string;
  readonly limit?: string;
  readonly window?: string;
  readonly sample?: string;
  readonly seed?: string;
  readonly seeds?: string;
  readonly allowTruncated?: boolean;
  readonly set?: readonly string[];
}

export const pageChoices = ['4k', '2m', '1g', 'thp', 'khugepaged'] as const;

/** What an option that may be repeated has collected. */
export function collected(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

const ofOneRun = ['native', 'virtualized', 'nested'];

/** @param setups that the command takes */
export function addTranslateOptions(command: Command, setups: readonly string[] = ofOneRun): Command {
  return command
    .option('--config <file>', 'configuration (YAML or JSON); options on the command line win')
    .option(
      '--trace <file>',
      'trace in any known format, compressed or not, - for a pipe, or gen:NAME,option=value,...',
    )
    .option('--format <name>', 'format of the trace, where it cannot be told from its content')
    .option('--tables <file>', 'page tables of the process (guest tables); correct mode builds its own without')
    .option('--host-tables <file>', 'page tables of the VM at its hypervisor')
    .addOption(new Option('--unit <unit>', 'unit of the columns of table dumps').choices(['auto', 'bytes', 'pfn']))
    .option(
      '--perf <file>',
      'measured walk counters: output of perf stat (-x and --json too), or perf-*.short; gives application speedups',
    )
    .addOption(new Option('--setup <setup>', 'what lies under the process').choices(setups))
    .option(
      '--designs <names>',
      'designs, separated by commas, or all; those that a set-up does not have are left out (strata translate designs lists them)',
    )
    .addOption(
      new Option('--mode <mode>', 'correct: the machine; compat: the original simulators, bit for bit').choices([
        'correct',
        'compat',
      ]),
    )
    .option('--quirks <names>', 'compat: quirks that are on: all, none, or Q1,Q3,...')
    .option('--machine <preset|file>', 'machine preset, or a YAML or JSON file')
    .option('--cores <n>', 'cores; threads go to the least loaded')
    .addOption(
      new Option('--prefetcher <name>', 'data prefetcher of the first-level cache').choices(['none', 'nextline']),
    )
    .addOption(
      new Option('--page <policy>', 'page size of every address space; thp also promotes imported tables').choices([
        ...pageChoices,
      ]),
    )
    .option(
      '--activity <name=rate,...>',
      'what operating systems do per million accesses: unmaps, migrations, splits, khugepagedScans, forks, contextSwitches; such as unmaps=100,forks=5,processes=4',
    )
    .option(
      '--memory-events <file>',
      'resize the VM meanwhile: the CSV of strata elastic events, each event at its access',
    )
    .option('--memory-events-pace <n>', 'accesses in a microsecond, 100 unless given')
    .option('--plugin <file>', 'module that exports designs of your own (.ts, .mts, .js, .mjs)')
    .option('--warmup <n>', 'accesses before counting begins; every count restarts at 0, what is cached stays')
    .option('--skip <n>', 'accesses to leave out at the start')
    .option('--limit <n>', 'accesses to read at most')
    .option(
      '--sample <length/period>',
      'count only length accesses of each period, such as 1e5/1e7; --warmup then precedes every sample',
    )
    .option('--window <n>', 'only this window of a drmemtrace, by its window markers; what comes before warms nothing')
    .option('--seed <n>', 'seed of everything random')
    .option(
      '--seeds <n>',
      'simulate with that many seeds from --seed on; run gives means with 95 % confidence intervals, compare and sensitivity medians and the range',
    )
    .option('--allow-truncated', 'read a truncated trace as far as it goes')
    .option(
      '--set <path=value>',
      'override anything: tlb.l2.ways=8, designs.shadow.updateCycles=1000; repeatable',
      collected,
      [],
    );
}

/** The configuration that the options ask for; defaults are filled in by the study. @throws StrataError */
export async function configurationOf(options: TranslateOptions): Promise<Configuration> {
  const file = options.config === undefined ? {} : await loadConfiguration(options.config);
  let configuration = merge(file, await fromOptions(options));
  for (const assignment of options.set ?? [])
    configuration = override(configuration, await parseAssignment(assignment, { fullPath: settingPath }));
  return configuration;
}

async function fromOptions(options: TranslateOptions): Promise<Configuration> {
  const counts = {
    cores: options.cores,
    warmup: options.warmup,
    skip: options.skip,
    limit: options.limit,
    window: options.window,
    seed: options.seed,
    seeds: options.seeds,
  };
  const { config: _, set: __, designs, machine, ...rest } = options;
  const texts = Object.fromEntries(
    [
      'trace',
      'format',
      'tables',
      'hostTables',
      'unit',
      'perf',
      'setup',
      'mode',
      'quirks',
      'prefetcher',
      'page',
      'memoryEvents',
      'plugin',
      'allowTruncated',
    ].map((name) => [name, rest[name as keyof typeof rest]]),
  );
  const given: Configuration = {
    ...texts,
    ...Object.fromEntries(
      Object.entries(counts).map(([name, text]) => [
        name,
        text === undefined ? undefined : parseCount(text, `--${name}`),
      ]),
    ),
    memoryEventsPace: options.memoryEventsPace === undefined ? undefined : Number(options.memoryEventsPace),
    sample: options.sample === undefined ? undefined : { ...parseSample(options.sample) },
    activity: options.activity === undefined ? undefined : activityOf(options.activity),
    designs: designs === undefined ? undefined : designsOf(designs),
    machine: machine === undefined ? undefined : await machineOf(machine),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** `unmaps=100,forks=5` as fields of `activity`; names and ranges are checked with the configuration. */
function activityOf(text: string): Configuration {
  const fields = text.split(',').map((field) => {
    const [name = '', value = '', ...more] = field.trim().split('=');
    if (name === '' || value === '' || more.length > 0)
      throw new StrataError({
        code: 'usage.activity',
        what: 'the activity cannot be read',
        where: '--activity',
        expected: 'names and rates, such as unmaps=100,forks=5',
        found: field,
      });
    return [name, parseCount(value, '--activity')];
  });
  return Object.fromEntries(fields);
}

function designsOf(names: string): Configuration {
  const list = names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (list.length === 0)
    throw new StrataError({
      code: 'usage.designs',
      what: 'no design',
      where: '--designs',
      expected: 'names such as radix,shadow',
    });
  refuseTwice(list, '--designs');
  return Object.fromEntries(list.map((name) => [name, {}]));
}

/** @throws StrataError `usage.designs`: a name given twice is most likely another one misspelt */
export function refuseTwice(names: readonly string[], where: string): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new StrataError({
    code: 'usage.designs',
    what: `design ${twice} is given twice`,
    where,
    expected: 'each design once',
    mend: 'Leave the second one out.',
  });
}

/** A preset by name, or a file. @throws StrataError of `loadConfiguration`, `config.empty` */
export async function machineOf(nameOrFile: string): Promise<unknown> {
  if (!existsSync(nameOrFile) && !/[/\\]|\.(ya?ml|json)$/i.test(nameOrFile)) return nameOrFile;
  const machine = await loadConfiguration(nameOrFile);
  if (Object.keys(machine).length === 0)
    throw new StrataError({
      code: 'config.empty',
      what: 'the file describes nothing',
      where: nameOrFile,
      expected: 'a machine: keys such as extends, tlb, l2',
      mend: 'Start from a preset (extends: NAME; strata config presets), or leave --machine out for the default.',
    });
  return machine;
}

/** `machine.tlb...` on a machine that is only named, and `designs.x...` on designs that are only listed, extend what is there. */
function override(configuration: Configuration, assignment: Configuration): Configuration {
  const opened = { ...configuration };
  if (isMapping(assignment.machine) && typeof opened.machine === 'string') opened.machine = { extends: opened.machine };
  if (isMapping(assignment.designs) && Array.isArray(opened.designs))
    opened.designs = Object.fromEntries(opened.designs.map((name) => [String(name), {}]));
  return merge(opened, assignment);
}
