import {
  type Demand,
  type ElasticityConfig,
  elasticityFields,
  generateDemand,
  type HostProfile,
  hostProfileOf,
  hostProfiles,
  type Technique,
  techniques,
} from '@strata/model/elasticity';
import { resolve, StrataError } from '@strata/model/machine';
import {
  type DemandFormat,
  demandFormats,
  importDemand,
  type Placement,
  type Replay,
  replays,
} from '@strata/traces/elasticity';
import type { Command } from 'commander';
import {
  type Configuration,
  isMapping,
  loadConfiguration,
  merge,
  parseAssignment,
  parseScalar,
} from '../config/load.ts';

/** Options by which every verb names technique, host and knobs. */
export interface TechniqueOptions {
  readonly technique: string;
  readonly vfio?: boolean;
  readonly profile?: string;
  readonly profileFile?: string;
  readonly set: readonly string[];
}

/** Options by which verbs read demand. */
export interface DemandOptions {
  readonly format?: string;
  readonly select?: string;
  readonly totalGib?: string;
  readonly replay?: string;
}

export function addTechniqueOptions(command: Command): Command {
  return command
    .requiredOption('--technique <name>', `one of ${techniques.names.join(', ')}`)
    .option('--vfio', 'a device is passed through to the VM')
    .option('--profile <name>', `costs of a host: ${hostProfiles.names.join(', ')}`)
    .option('--profile-file <file>', 'costs of your own host, YAML or JSON, in microseconds')
    .option('--set <path=value>', 'a knob, such as reporting.delaySeconds=0.1; may be repeated', collected, []);
}

export function addDemandOptions(command: Command): Command {
  return command
    .option('--format <name>', `format of the demand: ${demandFormats.map(({ name }) => name).join(', ')}`)
    .option('--select <run>', 'one recording of a file that holds several, such as clang-base-manual/0')
    .option(
      '--replay <allocator>',
      `kmem traces: who places the pages, ${replays.join(', ')}; footprint also: pages, by the technique's VM page by page (balloons and virtio-mem sized by the policy)`,
    )
    .option('--total-gib <n>', 'size of the VM where the recording lacks it');
}

export function collected(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** Names that people use beside the registered ones. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['none', 'static'],
  ['balloon', 'virtio-balloon'],
  ['balloon-huge', 'virtio-balloon-huge'],
  ['huge-balloon', 'virtio-balloon-huge'],
  ['fpr', 'free-page-reporting'],
  ['reporting', 'free-page-reporting'],
  ['hinting', 'free-page-hinting'],
  ['virtiomem', 'virtio-mem'],
]);

/** `hyperalloc+vfio` is `hyperalloc` with `--vfio`. @throws StrataError `registry.unknown-name` */
export function techniqueOf({ technique, vfio = false }: Pick<TechniqueOptions, 'technique' | 'vfio'>): {
  readonly technique: Technique;
  readonly vfio: boolean;
} {
  const word = technique.toLowerCase();
  const name = word.replace(/\+vfio$/, '');
  return { technique: techniques.get(aliases.get(name) ?? name), vfio: vfio || name !== word };
}

/** @throws StrataError for an unknown name or a bad file */
export async function hostOf({ profile, profileFile }: TechniqueOptions): Promise<HostProfile> {
  const base = hostProfiles.get(profile ?? 'xeon-6252');
  if (profileFile === undefined) return base;
  const { extends: inherited, ...costs } = await loadConfiguration(profileFile);
  return hostProfileOf(profileFile, costs, inherited === undefined ? base : hostProfiles.get(String(inherited)));
}

/** @throws StrataError `config.*`, `usage.set` */
export async function knobsOf({ set }: TechniqueOptions): Promise<ElasticityConfig> {
  let given: Configuration = {};
  for (const assignment of set) given = merge(given, await parseAssignment(assignment));
  return resolve(elasticityFields, given);
}

export interface DemandInput {
  readonly demands: readonly Demand[];
  readonly warnings: readonly string[];
}

const generated = 'gen:';

/**
 * Every recording of a file, or one generated from `gen:NAME,key=value,...`.
 * @param placement of the pages of a kmem trace, instead of `--replay`
 * @throws StrataError `elastic.*`, `config.*`
 */
export async function demandsOf(
  path: string,
  options: DemandOptions,
  signal?: AbortSignal,
  placement?: Placement,
): Promise<DemandInput> {
  if (path.startsWith(generated)) return { demands: [await generatedDemand(path)], warnings: [] };
  const { demands, warnings } = await importDemand(path, {
    ...(options.format !== undefined && { format: formatOf(options.format) }),
    ...(options.totalGib !== undefined && { totalMib: 1024 * gibOf(options.totalGib, '--total-gib') }),
    ...(options.replay !== undefined && placement === undefined && { replay: replayOf(options.replay) }),
    ...(placement !== undefined && { placement }),
    ...(signal !== undefined && { signal }),
  });
  if (options.select === undefined) return { demands, warnings };
  const chosen = demands.filter(({ name }) => name === options.select || name.startsWith(`${options.select}/`));
  if (chosen.length > 0) return { demands: chosen, warnings };
  throw new StrataError({
    code: 'elastic.no-run',
    what: `no recording is named ${options.select}`,
    where: path,
    expected: `one of ${shortList(demands)}`,
  });
}

/** Exactly one recording. @throws StrataError `elastic.several-runs` */
export async function oneDemandOf(
  path: string,
  options: DemandOptions,
  signal?: AbortSignal,
  placement?: Placement,
): Promise<{ readonly demand: Demand; readonly warnings: readonly string[] }> {
  const { demands, warnings } = await demandsOf(path, options, signal, placement);
  if (demands.length === 1) return { demand: demands[0]!, warnings };
  throw new StrataError({
    code: 'elastic.several-runs',
    what: `the file holds ${demands.length} recordings`,
    where: path,
    expected: 'one',
    found: shortList(demands),
    mend: `Choose one: --select ${demands[0]?.name}.`,
  });
}

function shortList(demands: readonly Demand[]): string {
  const names = demands.map(({ name }) => name);
  return names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
}

async function generatedDemand(text: string): Promise<Demand> {
  const [name = '', ...settings] = text.slice(generated.length).split(',');
  const values: Record<string, unknown> = {};
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    if (equals < 1)
      throw new StrataError({
        code: 'generator.malformed',
        what: 'a setting is malformed',
        where: `demand generator ${name}`,
        expected: 'key=value',
        found: setting === '' ? 'nothing' : setting,
        mend: `Such as gen:${name},minutes=50.`,
      });
    const value = await parseScalar(setting.slice(equals + 1));
    values[setting.slice(0, equals)] = isMapping(value) ? String(value) : value;
  }
  return generateDemand(name, values);
}

function formatOf(word: string): DemandFormat {
  const format = demandFormats.find(({ name }) => name === word);
  if (format !== undefined) return format.name;
  throw new StrataError({
    code: 'elastic.unknown-format',
    what: `unknown format ${word}`,
    where: '--format',
    expected: `one of ${demandFormats.map(({ name }) => name).join(', ')}`,
  });
}

function replayOf(word: string): Replay {
  const replay = replays.find((name) => name === word);
  if (replay !== undefined) return replay;
  throw new StrataError({
    code: 'usage.replay',
    what: `unknown allocator ${word}`,
    where: '--replay',
    expected: `one of ${replays.join(', ')}`,
  });
}

/** A size in GiB; `20`, `2.5`, `20GiB`. @throws StrataError `usage.number` */
export function gibOf(text: string, option: string, least = 0): number {
  const value = Number(text.trim().replace(/\s*(?:gib|gb|g)$/i, '') || 'nothing');
  if (Number.isFinite(value) && value >= least) return value;
  throw new StrataError({
    code: 'usage.number',
    what: 'not a size in GiB',
    where: option,
    expected: `a number of at least ${least}`,
    found: text === '' ? 'nothing' : text,
  });
}

/** @throws StrataError `usage.number` */
export function numberOf(text: string, option: string, least: number, most = Number.POSITIVE_INFINITY): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw new StrataError({
    code: 'usage.number',
    what: 'not a number it can be',
    where: option,
    expected: most === Number.POSITIVE_INFINITY ? `a number of at least ${least}` : `a number from ${least} to ${most}`,
    found: text === '' ? 'nothing' : text,
  });
}
