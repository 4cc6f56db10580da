// How long evacuation holds the event loop (target: stalls at most 5 ms at p99), and where copying in the worker pays.
import { createViews } from '../arena/views.ts';
import type { Location } from '../handles/words.ts';
import { FarMemory, type Handle, MISS } from '../index.ts';
import { addMove, createCopier, createMovePlan, PLAN_OBJECTS } from './copier.ts';

const isSmoke = process.env.STRATA_BENCH_SMOKE === '1';
const MIB = 2 ** 20;
const SECONDS = isSmoke ? 1 : 5;
const STALL_TARGET_MS = 5;

/** Percentile of sorted values. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

interface Load {
  readonly objectBytes: number;
  readonly copier: 'owner' | 'worker' | 'auto';
  /** How many times local memory the objects are. */
  readonly pressure: number;
}

function describeStalls(name: string, sortedMs: readonly number[]): string {
  const [p50, p99] = [percentile(sortedMs, 0.5), percentile(sortedMs, 0.99)];
  return `${name} p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} max ${sortedMs.at(-1)!.toFixed(2)} ms`;
}

/**
 * Random reads and writes, turn by turn, each turn of the program bounded by 100 us and 16 misses. A stall is what lies between one turn's
 * end and the next one's start: evacuation, the store and the rest of the event loop. Its wall time includes whatever else the machine runs,
 * its processor time what the other threads of this process do meanwhile, the copying worker above all. The event loop is held for no longer
 * than either, so the lesser of the two is judged; both are shown, and the same load without evacuation beside them.
 */
async function stalls({ objectBytes, copier, pressure }: Load): Promise<void> {
  const localBytes = 64 * MIB;
  const far = await FarMemory.open({ localBytes, evacuation: { copier } });
  const count = Math.floor((pressure * localBytes) / (objectBytes + 16));
  const handles = Uint32Array.from({ length: count }, () => far.alloc(objectBytes));
  let state = 99;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return handles[(state >>> 0) % count]! as Handle;
  };
  const { u32 } = far.views;
  const wallMs: number[] = [];
  const processorMs: number[] = [];
  const heldMs: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end) {
    const turnStart = performance.now();
    const missed: Handle[] = [];
    while (performance.now() - turnStart < 0.1 && missed.length < 16) {
      const handle = next();
      const at = far.tryMut(handle);
      if (at === MISS) missed.push(handle);
      else u32[at]!++;
    }
    const turnEnd = performance.now();
    const before = process.cpuUsage();
    await Promise.all(missed.map((handle) => far.get(handle)));
    await new Promise<void>((resolve) => setImmediate(resolve));
    const { user, system } = process.cpuUsage(before);
    const processor = (user + system) / 1000;
    const wall = performance.now() - turnEnd;
    processorMs.push(processor);
    wallMs.push(wall);
    heldMs.push(Math.min(processor, wall));
  }
  heldMs.sort((a, b) => a - b);
  wallMs.sort((a, b) => a - b);
  processorMs.sort((a, b) => a - b);
  const { evacuated, dirtyWritten, cleanDropped } = far.stats();
  const p99 = percentile(heldMs, 0.99);
  const isEvacuating = pressure > 1;
  console.log(
    `${String(objectBytes).padStart(5)} B, ${isEvacuating ? `copies by ${copier.padEnd(6)}` : 'no evacuation   '}: stalls ` +
      `${describeStalls('held', heldMs)}, ${describeStalls('wall', wallMs)}, ${describeStalls('processor', processorMs)}` +
      (isEvacuating
        ? `; ${((evacuated + dirtyWritten + cleanDropped) / SECONDS / 1000).toFixed(0)} k objects moved, written or dropped per second` +
          `; target p99 ${STALL_TARGET_MS} ms: ${p99 <= STALL_TARGET_MS ? 'met' : 'NOT MET'}`
        : ''),
  );
  await far.close();
}

/** Owner time for moving 1 MiB: copied here, or planned for the worker. */
async function copies(objectBytes: number): Promise<void> {
  const views = createViews(new SharedArrayBuffer(16 * MIB));
  const slotWords = (objectBytes + 16) / 4;
  const count = Math.min(PLAN_OBJECTS, Math.floor(MIB / (slotWords * 4)));
  const times: Record<'owner' | 'worker', number> = {
    owner: Number.POSITIVE_INFINITY,
    worker: Number.POSITIVE_INFINITY,
  };
  let roundTrip = Number.POSITIVE_INFINITY;
  for (const choice of ['owner', 'worker'] as const) {
    const copier = createCopier(views, choice);
    const plan = createMovePlan();
    for (let repeat = 0; repeat < 20; repeat++) {
      plan.count = 0;
      plan.bytes = 0;
      for (let index = 0; index < count; index++)
        addMove(
          plan,
          index as Handle,
          (4 + index * slotWords) as Location,
          (MIB + 4 + index * slotWords) as Location,
          objectBytes,
        );
      const start = performance.now();
      await new Promise<void>((resolve) => {
        copier.run(plan, resolve);
        times[choice] = Math.min(times[choice], performance.now() - start);
      });
      if (choice === 'worker') roundTrip = Math.min(roundTrip, performance.now() - start);
    }
    await copier.close();
  }
  const mib = (count * slotWords * 4) / MIB;
  console.log(
    `moving 1 MiB of ${String(objectBytes).padStart(5)} B objects: the owner is held ${(times.owner / mib).toFixed(3)} ms when it copies, ` +
      `${(times.worker / mib).toFixed(3)} ms when the worker does (back after ${(roundTrip / mib).toFixed(3)} ms)`,
  );
}

for (const objectBytes of [64, 1024, 8192]) await copies(objectBytes);
for (const objectBytes of [64, 8192]) {
  await stalls({ objectBytes, copier: 'owner', pressure: 0.75 });
  for (const copier of ['owner', 'worker', 'auto'] as const) await stalls({ objectBytes, copier, pressure: 4 });
}
