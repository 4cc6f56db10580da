// Hits against a raw typed-array access at the same random indices (A2.5b: at most 2x), and what a record costs in resident memory
// (4 M records, at most 200 MB).
import { spawnSync } from 'node:child_process';
import { FarMemory, f64, type Handle, MISS, struct, u32 } from '../index.ts';

const isSmoke = process.env.STRATA_BENCH_SMOKE === '1';
const ACCESSES = isSmoke ? 2e6 : 2e7;
const REPEATS = isSmoke ? 3 : 7;
const HOT_OBJECTS = 4096;
const OBJECT_BYTES = 64;
const RECORDS = isSmoke ? 4e5 : 4e6;
const RESIDENT_TARGET_MB = 200;
const RATIO_TARGET = 2;

const sequence = new Uint32Array(2 ** 20);
let state = 12345;
for (let index = 0; index < sequence.length; index++) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  sequence[index] = (state >>> 0) % HOT_OBJECTS;
}
const MASK = sequence.length - 1;

/** Best processor time per access of each, in ns; the candidates take turns, so that a noisy neighbour meets all. */
function measure(candidates: Record<string, () => number>): Record<string, number> {
  const best: Record<string, number> = {};
  for (let repeat = 0; repeat < REPEATS; repeat++)
    for (const [name, work] of Object.entries(candidates)) {
      const start = process.cpuUsage().user;
      sink += work();
      best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, process.cpuUsage().user - start);
    }
  return Object.fromEntries(Object.entries(best).map(([name, user]) => [name, (user * 1000) / ACCESSES]));
}

let sink = 0;

async function hotHandles(far: FarMemory): Promise<Uint32Array> {
  const handles = Uint32Array.from({ length: HOT_OBJECTS }, () => far.alloc(OBJECT_BYTES));
  for (let touch = 0; touch < 3; touch++) for (const handle of handles) far.tryMut(handle as Handle);
  return handles;
}

function report(times: Record<string, number>, yardstick: string): void {
  for (const [name, ns] of Object.entries(times)) {
    const ratio = ns / times[yardstick]!;
    const verdict = name === yardstick ? '' : `; ${ratio.toFixed(2)} times ${yardstick}`;
    console.log(`${name.padEnd(44)} ${ns.toFixed(2).padStart(6)} ns${verdict}`);
  }
}

async function hits(countHits: boolean): Promise<void> {
  const far = await FarMemory.open({ localBytes: 64 * 2 ** 20, countHits });
  const handles = await hotHandles(far);
  if (handles[0] !== 0) throw new Error('handles are expected to begin at 0');
  const raw = far.views.u32;
  const strideWords = (OBJECT_BYTES + 16) / 4;
  const times = measure({
    'a raw Uint32Array access': () => {
      let sum = 0;
      for (let step = 0; step < ACCESSES; step++) sum += raw[sequence[step & MASK]! * strideWords]!;
      return sum;
    },
    'tryGet and a read': () => {
      let sum = 0;
      for (let step = 0; step < ACCESSES; step++) {
        const at = far.tryGet(sequence[step & MASK]! as Handle);
        if (at !== MISS) sum += raw[at]!;
      }
      return sum;
    },
    'a raw Uint32Array write': () => {
      for (let step = 0; step < ACCESSES; step++) raw[sequence[step & MASK]! * strideWords] = step;
      return 0;
    },
    'tryMut and a write': () => {
      for (let step = 0; step < ACCESSES; step++) {
        const at = far.tryMut(sequence[step & MASK]! as Handle);
        if (at !== MISS) raw[at] = step;
      }
      return 0;
    },
  });
  console.log(`hot set of ${HOT_OBJECTS} objects, hits ${countHits ? 'counted' : 'not counted'}`);
  report(times, 'a raw Uint32Array access');
  const ratio = times['tryGet and a read']! / times['a raw Uint32Array access']!;
  const writeRatio = times['tryMut and a write']! / times['a raw Uint32Array write']!;
  console.log(
    `a write ${writeRatio.toFixed(2)} times a raw write; target: a hit at most ${RATIO_TARGET} times a raw access: ${ratio <= RATIO_TARGET ? 'met' : 'NOT MET'}`,
  );
  await far.close();
}

async function structures(): Promise<void> {
  const far = await FarMemory.open({ localBytes: 64 * 2 ** 20 });
  const Row = struct({ id: u32, weight: f64 });
  const rows = far.vector(Row);
  await rows.push(Array.from({ length: HOT_OBJECTS }, (_, id) => ({ id, weight: id })));
  const numbers = far.vector(u32);
  await numbers.push(Uint32Array.from({ length: HOT_OBJECTS }, (_, id) => id));
  const plain = Array.from({ length: HOT_OBJECTS }, (_, id) => ({ id, weight: id }));
  const flat = Float64Array.from(plain, ({ weight }) => weight);
  const map = new Map(plain.map((row) => [row.id, row]));
  console.log('structures, hot');
  report(
    measure({
      'a Float64Array': () => {
        let sum = 0;
        for (let step = 0; step < ACCESSES; step++) sum += flat[sequence[step & MASK]!]!;
        return sum;
      },
      'an array of objects': () => {
        let sum = 0;
        for (let step = 0; step < ACCESSES; step++) sum += plain[sequence[step & MASK]!]!.weight;
        return sum;
      },
      'Map<number, object>.get': () => {
        let sum = 0;
        for (let step = 0; step < ACCESSES; step++) sum += map.get(sequence[step & MASK]!)!.weight;
        return sum;
      },
      'vector of u32, tryAt': () => {
        let sum = 0;
        for (let step = 0; step < ACCESSES; step++) sum += numbers.tryAt(sequence[step & MASK]!) ?? 0;
        return sum;
      },
      'vector of structs, tryAt and a field': () => {
        let sum = 0;
        for (let step = 0; step < ACCESSES; step++) sum += rows.tryAt(sequence[step & MASK]!)?.weight ?? 0;
        return sum;
      },
    }),
    'Map<number, object>.get',
  );
  await far.close();
}

async function resident(): Promise<void> {
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const far = await FarMemory.open({ localBytes: 160 * 2 ** 20 });
  const records = far.vector(struct({ a: u32, b: u32, c: f64, d: u32 }));
  for (let index = 0; index < RECORDS; index++)
    if (!records.tryPush({ a: index, b: index, c: index, d: index }))
      throw new Error('160 MiB are expected to hold them');
  globalThis.gc?.();
  const residentMb = process.memoryUsage().rss / 1e6;
  const perRecord = (process.memoryUsage().rss - before) / RECORDS;
  console.log(
    `${RECORDS} records {u32,u32,f64,u32}: resident ${residentMb.toFixed(0)} MB of the whole process, ${perRecord.toFixed(1)} bytes per record` +
      (isSmoke ? '' : `; target ${RESIDENT_TARGET_MB} MB: ${residentMb <= RESIDENT_TARGET_MB ? 'met' : 'NOT MET'}`),
  );
  await far.close();
}
/** One far memory per process, as programs have it: the compiler then knows its tables as constants. */
const parts: Readonly<Record<string, () => Promise<void>>> = {
  counted: () => hits(true),
  uncounted: () => hits(false),
  structures,
  resident,
};
const wanted = process.env.STRATA_BENCH_PART;
if (wanted !== undefined) await parts[wanted]!();
else
  for (const part of Object.keys(parts))
    spawnSync(process.execPath, process.execArgv.concat(process.argv[1]!), {
      stdio: 'inherit',
      env: { ...process.env, STRATA_BENCH_PART: part },
    });
if (sink === -1) console.log(sink);
