import {
  createCompatSimulation,
  createIoSimulation,
  generateTranslations,
  ioArchitectures,
  isOfOriginal,
  machineOfArchitecture,
  type ProtectionScheme,
  parseIoGenerator,
  protectionSchemes,
  resolveIoMachine,
  resolveScheme,
} from '@strata/model/io';
import { StrataError, suggestion } from '@strata/model/machine';
import type { RunContext } from './run.ts';
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
}

export interface SweepPoint {
  readonly design: string;
  readonly tenants: number;
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
  readonly bestUtilization: number;
  /** Null when the design holds to the end of the sweep. */
  readonly lastGood: number | null;
  readonly firstBad: number | null;
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
  const requests = input.designs
    .flatMap((design) => input.tenants.map((tenants) => ({ design, tenants, input })))
    .map((point, index): PointRequest => ({ index, ...point }));
  const onDone = (done: number) => progress.update({ done, total: requests.length });
  if (Math.min(workers, requests.length) > 1) return sweepOnThreads(requests, { workers, signal, onDone });
  const points: SweepPoint[] = [];
  for (const { design, tenants } of requests) {
    // Lets an interrupt in between the points.
    await new Promise((resume) => setImmediate(resume));
    signal.throwIfAborted();
    points.push(pointOf(design, tenants, input));
    onDone(points.length);
  }
  return points;
}

export function kneesOf(points: readonly SweepPoint[]): Knee[] {
  return [...new Set(points.map(({ design }) => design))].map((design) => {
    const own = points.filter((point) => point.design === design).sort((a, b) => a.tenants - b.tenants);
    const best = Math.max(...own.map(({ utilization }) => utilization));
    const isGood = ({ utilization }: SweepPoint) => utilization >= kneeShare * best;
    const lastGood = own.findLast(isGood)?.tenants ?? null;
    const firstBad = own.find((point) => point.tenants > (lastGood ?? 0) && !isGood(point))?.tenants ?? null;
    return { design, bestUtilization: best, lastGood: firstBad === null ? null : lastGood, firstBad };
  });
}

export function pointOf(design: string, tenants: number, input: SweepInput): SweepPoint {
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
  const simulation = createIoSimulation(correctDesign(design, { gbps }, input.queue));
  for (const block of generateTranslations(generator)) simulation.feed(block);
  const result = simulation.finish();
  const { mbps, utilization, packetsDropped, caches, fairness, readsPerTranslation, vulnerabilityWindowNs } = result;
  const { hit, miss } = caches.IOTLB;
  const iotlbHitRate = hit + miss === 0 ? 0 : hit / (hit + miss);
  const worstTenantP99Ns = Math.max(...result.tenants.map(({ p99Ns }) => p99Ns));
  const windowMeanNs = vulnerabilityWindowNs.mean;
  return {
    ...{ design, tenants, mbps, utilization, packetsDropped, iotlbHitRate },
    ...{ readsPerTranslation, fairness, worstTenantP99Ns, windowMeanNs },
  };
}

/** A scheme on the base caches with `queue` pending translations, an architecture with pools, or both: `hypertrio/strict`. */
function correctDesign(design: string, fields: Readonly<Record<string, unknown>>, queue: number) {
  const [first = '', second] = design.split(separator);
  if (protectionSchemes.has(first))
    return { machine: resolveIoMachine({ ...fields, queueEntries: queue }), ...resolveScheme(first) };
  return {
    machine: machineOfArchitecture(ioArchitectures.get(first), fields),
    ...resolveScheme(second ?? 'persistent-pools'),
  };
}

const separator = '/';

function isKnown(design: string, mode: SweepInput['mode']): boolean {
  if (mode === 'compat') return sweepDesigns('compat').includes(design);
  const [first = '', second] = design.split(separator);
  if (second !== undefined) return ioArchitectures.has(first) && protectionSchemes.has(second);
  return ioArchitectures.has(first) || protectionSchemes.has(first);
}
