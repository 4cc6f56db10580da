import {
  createCompatSimulation,
  createIoSimulation,
  fieldsOfArchitecture,
  generateTranslations,
  type IoSetup,
  ioArchitectures,
  isOfOriginal,
  type ProtectionScheme,
  parseIoGenerator,
  protectionSchemes,
  resolveIoMachine,
  resolveScheme,
} from '@strata/model/io';
import { StrataError, suggestion } from '@strata/model/machine';
import type { Row } from '../terminal/table.ts';
import type { RunContext } from './run.ts';
import { assigned, combinationsOf, type IoAxis } from './settings.ts';
import { type PointRequest, sweepOnThreads } from './sweep-pool.ts';

export interface SweepInput {
  readonly tenants: readonly number[];
  readonly designs: readonly string[];
  readonly workload: string;
  readonly packets: number;
  readonly order: 'rr' | 'rand';
  readonly gbps: number;
  readonly seed: number;
  readonly mode: 'compat' | 'correct';
  /** Pending translations in correct mode. */
  readonly queue: number;
  /** Of every point: `walkers=4`, `scheme.batch=64`. */
  readonly set?: readonly string[];
  /** Parameters whose every combination is a point. */
  readonly axes?: readonly IoAxis[];
}

export interface SweepPoint {
  readonly design: string;
  readonly tenants: number;
  /** Values on the axes, by parameter. */
  readonly axes?: Readonly<Record<string, string | number>>;
  readonly mbps: number;
  readonly utilization: number;
  readonly packetsDropped: number;
  readonly iotlbHitRate: number;
  /** In correct mode only: what the original's model does not know. */
  readonly readsPerTranslation?: number;
  readonly fairness?: number;
  readonly worstTenantP99Ns?: number;
  readonly windowMeanNs?: number;
}

/** Where a design stops keeping up: the last count of tenants at 90 % of its best utilization, and the first below. */
export interface Knee {
  readonly design: string;
  readonly along: 'tenants';
  /** Where on the axes. */
  readonly axes?: SweepPoint['axes'];
  readonly bestUtilization: number;
  /** Null when the design holds to the end of the sweep. */
  readonly lastGood: number | null;
  readonly firstBad: number | null;
}

/** Along a numeric parameter, at one count of tenants: from where to where a design has 90 % of its best utilization. */
export interface Plateau {
  readonly design: string;
  readonly along: string;
  readonly tenants: number;
  /** Where on the other axes. */
  readonly axes?: SweepPoint['axes'];
  readonly bestUtilization: number;
  readonly from: number;
  readonly to: number;
  /** Whether all values do. */
  readonly isFlat: boolean;
}

export const kneeShare = 0.9;

export function sweepDesigns(mode: SweepInput['mode']): readonly string[] {
  return mode === 'compat'
    ? [...ioArchitectures].filter(isOfOriginal).map(({ name }) => name)
    : [...protectionSchemes]
        .filter(isOfWorkloads)
        .map(({ name }) => name)
        .concat(ioArchitectures.names);
}

/** A scheme that replays recordings does with generated workloads what persistent pools do. */
function isOfWorkloads({ replays }: ProtectionScheme): boolean {
  return replays !== true;
}

/** The same points, in the same order, on any number of threads; with one worker in this one. */
export async function sweep(
  input: SweepInput,
  { signal, progress, workers }: RunContext & { readonly workers: number },
): Promise<SweepPoint[]> {
  const known = sweepDesigns(input.mode);
  for (const design of input.designs)
    if (!isKnown(design, input.mode))
      throw new StrataError({
        code: 'io.unknown-design',
        what: `unknown design ${design} in mode ${input.mode}`,
        where: '--designs',
        expected: `${known.join(', ')}${input.mode === 'correct' ? ', or ARCHITECTURE/SCHEME' : ''}`,
        mend: suggestion(design, known),
      });
  const combinations = combinationsOf(input.axes ?? []);
  const requests = input.designs
    .flatMap((design) =>
      input.tenants.flatMap((tenants) => combinations.map((settings) => ({ design, tenants, settings, input }))),
    )
    .map((point, index): PointRequest => ({ index, ...point }));
  // A mistake in any point is told before minutes are spent on the others.
  for (const { design, settings } of requests) check(design, settings, input);
  const onDone = (done: number) => progress.update({ done, total: requests.length });
  if (Math.min(workers, requests.length) > 1) return sweepOnThreads(requests, { workers, signal, onDone });
  const points: SweepPoint[] = [];
  for (const { design, tenants, settings } of requests) {
    // Lets an interrupt in between the points.
    await new Promise((resume) => setImmediate(resume));
    signal.throwIfAborted();
    points.push(pointOf(design, tenants, input, settings));
    onDone(points.length);
  }
  return points;
}

export function kneesOf(points: readonly SweepPoint[]): Knee[] {
  return groupsOf(points, ({ design, axes }) => ({ design, axes })).map(({ key: { design, axes }, members }) => {
    const own = members.toSorted((a, b) => a.tenants - b.tenants);
    const best = Math.max(...own.map(({ utilization }) => utilization));
    const isGood = ({ utilization }: SweepPoint) => utilization >= kneeShare * best;
    const lastGood = own.findLast(isGood)?.tenants ?? null;
    const firstBad = own.find((point) => point.tenants > (lastGood ?? 0) && !isGood(point))?.tenants ?? null;
    return {
      ...{ design, along: 'tenants', ...(axes && { axes }) },
      ...{ bestUtilization: best, lastGood: firstBad === null ? null : lastGood, firstBad },
    };
  });
}

/** Along each axis of numbers: where each design is good, all else being equal. */
export function plateausOf(points: readonly SweepPoint[]): Plateau[] {
  const paths = [...new Set(points.flatMap(({ axes = {} }) => Object.keys(axes)))];
  return paths.flatMap((along) => {
    if (points.some(({ axes }) => typeof axes?.[along] !== 'number')) return [];
    const keyOf = ({ design, tenants, axes = {} }: SweepPoint) => {
      const { [along]: _, ...others } = axes;
      return { design, tenants, axes: Object.keys(others).length === 0 ? undefined : others };
    };
    return groupsOf(points, keyOf).map(({ key: { design, tenants, axes }, members }): Plateau => {
      const best = Math.max(...members.map(({ utilization }) => utilization));
      const good = members.filter(({ utilization }) => utilization >= kneeShare * best);
      const values = good.map((point) => Number(point.axes?.[along]));
      return {
        ...{ design, along, tenants, ...(axes && { axes }), bestUtilization: best },
        ...{ from: Math.min(...values), to: Math.max(...values), isFlat: good.length === members.length },
      };
    });
  });
}

/** A row of a table: values on the axes as columns of their own, dots (which SQL would have quoted) as underscores. */
export function rowOfPoint({ axes, ...point }: SweepPoint): Row {
  const { design, tenants, ...figures } = point;
  const places = Object.entries(axes ?? {}).map(([path, value]) => [path.replaceAll('.', '_'), value]);
  return { design, tenants, ...Object.fromEntries(places), ...figures };
}

function groupsOf<K>(
  points: readonly SweepPoint[],
  keyOf: (point: SweepPoint) => K,
): { readonly key: K; readonly members: readonly SweepPoint[] }[] {
  const groups = new Map<string, { readonly key: K; readonly members: SweepPoint[] }>();
  for (const point of points) {
    const key = keyOf(point);
    const name = JSON.stringify(key);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { key, members: [point] });
    else group.members.push(point);
  }
  return [...groups.values()];
}

/** @throws StrataError of what a point's settings would throw */
function check(design: string, settings: readonly string[], input: SweepInput): void {
  if (input.mode === 'correct') correctDesign(design, input, settings);
  else if (settings.length + (input.set?.length ?? 0) > 0)
    throw new StrataError({
      code: 'io.correct-only',
      what: "parameters of the machine and of schemes, which the original's model does not have",
      where: settings.length > 0 ? '--axis' : '--set',
      mend: 'Use --mode correct, or --designs for what the original has.',
    });
}

export function pointOf(
  design: string,
  tenants: number,
  input: SweepInput,
  settings: readonly string[] = [],
): SweepPoint {
  const { workload, packets, order, seed, gbps } = input;
  const generator = parseIoGenerator(
    `${workload},tenants=${tenants},packets=${packets},order=${order},seed=${seed}`,
    '--workload',
  );
  if (input.mode === 'compat') {
    const { configuration, queueEntries } = ioArchitectures.get(design);
    const switches = { linkGbps: gbps, replacement: 'lru', inOrder: false, selective: false } as const;
    const simulation = createCompatSimulation({ ...configuration, queueEntries, ...switches });
    for (const block of generateTranslations(generator)) simulation.feed(block);
    const { mbps, utilization, packetsDropped, caches } = simulation.finish();
    const { hit, miss } = caches.IOTLB;
    return { design, tenants, mbps, utilization, packetsDropped, iotlbHitRate: hit / (hit + miss) };
  }
  const simulation = createIoSimulation(correctDesign(design, input, settings));
  for (const block of generateTranslations(generator)) simulation.feed(block);
  const result = simulation.finish();
  const { mbps, utilization, packetsDropped, caches, fairness, readsPerTranslation, vulnerabilityWindowNs } = result;
  const { hit, miss } = caches.IOTLB;
  const iotlbHitRate = hit + miss === 0 ? 0 : hit / (hit + miss);
  const worstTenantP99Ns = Math.max(...result.tenants.map(({ p99Ns }) => p99Ns));
  const windowMeanNs = vulnerabilityWindowNs.mean;
  return {
    ...{ design, tenants, ...(settings.length > 0 && { axes: coordinatesOf(settings) }) },
    ...{ mbps, utilization, packetsDropped, iotlbHitRate },
    ...{ readsPerTranslation, fairness, worstTenantP99Ns, windowMeanNs },
  };
}

function coordinatesOf(settings: readonly string[]): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    settings.map((setting) => {
      const equals = setting.indexOf('=');
      const text = setting.slice(equals + 1);
      return [setting.slice(0, equals), Number.isNaN(Number(text)) ? text : Number(text)];
    }),
  );
}

/** A scheme on the base caches with `queue` pending translations, an architecture with pools, or both: `hypertrio/strict`. */
function correctDesign(design: string, { gbps, queue, set = [] }: SweepInput, settings: readonly string[]): IoSetup {
  const [first = '', second] = design.split(separator);
  const isScheme = protectionSchemes.has(first);
  const scheme = isScheme ? first : (second ?? 'persistent-pools');
  const fields = isScheme
    ? { gbps, queueEntries: queue }
    : { ...fieldsOfArchitecture(ioArchitectures.get(first)), gbps };
  const { machine, values } = assigned([...set, ...settings], scheme, { machine: fields });
  return { machine: resolveIoMachine(machine), ...resolveScheme(scheme, values) };
}

const separator = '/';

function isKnown(design: string, mode: SweepInput['mode']): boolean {
  if (mode === 'compat') return sweepDesigns('compat').includes(design);
  const [first = '', second] = design.split(separator);
  if (second !== undefined) return ioArchitectures.has(first) && protectionSchemes.has(second);
  return ioArchitectures.has(first) || protectionSchemes.has(first);
}
