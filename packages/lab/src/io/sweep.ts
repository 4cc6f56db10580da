import {
  createCompatSimulation,
  createIoSimulation,
  generateTranslations,
  ioArchitectures,
  ioMachineSpec,
  parseIoGenerator,
  protectionSchemes,
} from '@strata/model/io';
import { resolve, StrataError, suggestion } from '@strata/model/machine';
import type { RunContext } from './run.ts';

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
  return mode === 'compat' ? ioArchitectures.names : protectionSchemes.names;
}

export async function sweep(input: SweepInput, { signal, progress }: RunContext): Promise<SweepPoint[]> {
  const known = sweepDesigns(input.mode);
  for (const design of input.designs)
    if (!known.includes(design))
      throw new StrataError({
        code: 'io.unknown-design',
        what: `unknown design ${design} in mode ${input.mode}`,
        where: '--designs',
        expected: known.join(', '),
        mend: suggestion(design, known),
      });
  const points: SweepPoint[] = [];
  const total = input.designs.length * input.tenants.length;
  for (const design of input.designs) {
    for (const tenants of input.tenants) {
      // Lets an interrupt in between the points.
      await new Promise((resume) => setImmediate(resume));
      signal.throwIfAborted();
      points.push(pointOf(design, tenants, input));
      progress.update({ done: points.length, total });
    }
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

function pointOf(design: string, tenants: number, input: SweepInput): SweepPoint {
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
  const machine = resolve(ioMachineSpec, { gbps, queueEntries: input.queue }, 'machine');
  const simulation = createIoSimulation(machine, protectionSchemes.get(design));
  for (const block of generateTranslations(generator)) simulation.feed(block);
  const { mbps, utilization, packetsDropped, caches } = simulation.finish();
  const { hit, miss } = caches.IOTLB;
  const iotlbHitRate = hit + miss === 0 ? 0 : hit / (hit + miss);
  return { design, tenants, mbps, utilization, packetsDropped, iotlbHitRate };
}
