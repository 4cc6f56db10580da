// How long evacuation holds the event loop (target: stalls at most 5 ms at p99), and where copying in the worker pays.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createViews } from '../arena/views.ts';
import type { Location } from '../handles/words.ts';
import { FarMemory, type Handle, MISS } from '../index.ts';
import { addMove, createCopier, createMovePlan, PLAN_OBJECTS } from './copier.ts';

const isSmoke = process.env.STRATA_BENCH_SMOKE === '1';
const MIB = 2 ** 20;
const SECONDS = isSmoke ? 1 : 8;
const STALL_TARGET_MS = 5;

/** Percentile of sorted values. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/**
 * Random reads and writes over four times the local memory, turn by turn, each turn of the program bounded by 100 us. A stall is the time
 * from one turn's end to the next one's start: what evacuation, the store and the rest of the event loop took in between.
 */
async function stalls(objectBytes: number, copier: 'owner' | 'worker' | 'auto'): Promise<void> {
  const localBytes = 64 * MIB;
  const far = await FarMemory.open({ localBytes, evacuation: { copier } });
  const handles = Array.from({ length: (4 * localBytes) / objectBytes }, () => far.alloc(objectBytes));
  let state = 99;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % handles.length;
  };
  const { u32 } = far.views;
  const waits: number[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const end = performance.now() + SECONDS * 1000;
  let accesses = 0;
  while (performance.now() < end) {
    const turnStart = performance.now();
    const missed: Handle[] = [];
    while (performance.now() - turnStart < 0.1 && missed.length < 16) {
      const handle = handles[next()]!;
      const at = far.tryMut(handle);
      if (at === MISS) missed.push(handle);
      else u32[at]!++;
      accesses++;
    }
    const turnEnd = performance.now();
    await Promise.all(missed.map((handle) => far.get(handle)));
    await new Promise<void>((resolve) => setImmediate(resolve));
    waits.push(performance.now() - turnEnd);
  }
  delay.disable();
  waits.sort((a, b) => a - b);
  const { evacuated, dirtyWritten, cleanDropped, longestTickMs } = far.stats();
  const p99 = percentile(waits, 0.99);
  console.log(
    `${String(objectBytes).padStart(5)} B, copies by ${copier.padEnd(6)}: stalls p50 ${percentile(waits, 0.5).toFixed(2)} p99 ${p99.toFixed(2)} ` +
      `max ${waits.at(-1)!.toFixed(2)} ms; longest tick ${longestTickMs.toFixed(2)} ms; ` +
      `${((evacuated + dirtyWritten + cleanDropped) / SECONDS / 1000).toFixed(0)} k objects evacuated per second, ` +
      `${(accesses / SECONDS / 1e6).toFixed(2)} M accesses per second; target p99 ${STALL_TARGET_MS} ms: ${p99 <= STALL_TARGET_MS ? 'met' : 'NOT MET'}`,
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
for (const copier of ['owner', 'worker', 'auto'] as const)
  for (const objectBytes of [64, 8192]) await stalls(objectBytes, copier);
