import { FarMemory } from '@strata/far-memory';
import type { Bench, Workload } from './bench.ts';
import { startAgentProcess } from './child-processes.ts';
import { mapObjects, type ObjectStore, openLmdb, openRedis } from './stores.ts';
import { analyseChunks, analyseFrame, type Findings } from './taxi-analysis.ts';
import { bytesPerTrip, rowsPerChunk, tripColumnNames, tripColumns, tripValues } from './taxi-trips.ts';

const fullRows = 2 ** 20;
const localShares = [0.5, 0.25] as const;

/**
 * The taxi analysis of AIFM's figure 7 (specification A4.2): far memory by its data frame, the others by loops over chunks of columns, as
 * a program without one would.
 */
export const taxi: Workload = { name: 'taxi', steps: (against) => localShares.length + against.size, run };

interface Measured {
  readonly findings: Findings;
  readonly milliseconds: number;
  readonly missRatio: number | null;
}

async function run({ shrink, against, signal, step, record }: Bench): Promise<void> {
  const chunks = Math.max(2, fullRows / shrink / rowsPerChunk);
  let expected: string | undefined;
  const measure = async (system: string, localShare: number | null, work: () => Promise<Measured>) => {
    signal.throwIfAborted();
    step(`taxi: ${system}`);
    const { findings, milliseconds, missRatio } = await work();
    const found = JSON.stringify(findings);
    expected ??= found;
    if (found !== expected) throw new Error(`${system} finds ${found}, the others ${expected}`);
    const facts = { workload: 'taxi', measure: 'analysis', unit: 'ms', inFlight: 1 } as const;
    record({ ...facts, system, value: milliseconds, localShare, missRatio });
  };
  const measureChunks = (system: string, localShare: number | null, open: () => Promise<ObjectStore>) =>
    measure(system, localShare, async () => {
      const store = await open();
      try {
        await store.load(tripColumnNames.length * chunks, (index) => {
          const values = tripValues(tripColumnNames[Math.floor(index / chunks)]!, index % chunks);
          return new Uint8Array(values.buffer);
        });
        // Once through for caches and the compiler.
        await analyseChunks(store, chunks, signal);
        return { ...(await timed(() => analyseChunks(store, chunks, signal))), missRatio: null };
      } finally {
        await store.close();
      }
    });
  if (against.has('map')) await measureChunks('map', 1, async () => mapObjects());
  for (const localShare of localShares)
    await measure(`far ${localShare * 100} %`, localShare, () => measureFrame(chunks, localShare, signal));
  if (against.has('redis')) await measureChunks('redis', 0, async () => (await openRedis()).objects);
  if (against.has('lmdb')) await measureChunks('lmdb', null, async () => (await openLmdb()).objects);
}

async function timed(work: () => Promise<Findings>): Promise<Omit<Measured, 'missRatio'>> {
  const start = performance.now();
  const findings = await work();
  return { findings, milliseconds: performance.now() - start };
}

async function measureFrame(chunks: number, localShare: number, signal: AbortSignal): Promise<Measured> {
  const tripBytes = chunks * rowsPerChunk * bytesPerTrip;
  // Two frames with their derived columns, one after the other; what was dropped may still be there.
  const agent = await startAgentProcess(5 * tripBytes + 64 * 2 ** 20);
  try {
    const segmentBytes = localShare * tripBytes >= 2 ** 25 ? 2 ** 20 : 2 ** 17;
    const localBytes = Math.max(16, Math.ceil((localShare * tripBytes) / segmentBytes)) * segmentBytes;
    const far = await FarMemory.open({ localBytes, segmentBytes, agents: [agent.address], countHits: true });
    try {
      const analysed = async () => {
        const frame = far.dataFrame(tripColumns, { chunkRows: rowsPerChunk });
        for (let chunk = 0; chunk < chunks; chunk++) {
          signal.throwIfAborted();
          await frame.append(Object.fromEntries(tripColumnNames.map((name) => [name, tripValues(name, chunk)])));
        }
        await frame.flush();
        const before = far.stats();
        const result = await timed(() => analyseFrame(frame, signal));
        const { hits, misses } = far.stats();
        const missed = misses - before.misses;
        const accesses = hits - before.hits + missed;
        await frame.drop();
        return { ...result, missRatio: accesses === 0 ? null : missed / accesses };
      };
      await analysed();
      return await analysed();
    } finally {
      await far.close();
    }
  } finally {
    await agent.close();
  }
}
