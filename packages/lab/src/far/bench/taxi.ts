import { type Bench, turn, type Workload } from './bench.ts';
import { farObjects, mapObjects, type ObjectStore, openLmdb, openRedis } from './stores.ts';

/** Columns of doubles in chunks of 64 KiB: vendor, passengers, pick-up and drop-off (s), longitude and latitude of both. */
const columns = ['vendor', 'passengers', 'pickup', 'dropoff', 'fromLon', 'fromLat', 'toLon', 'toLat'] as const;
const rowsPerChunk = 8192;
const chunkBytes = rowsPerChunk * 8;
const fullRows = 2 ** 20;
const earthKm = 6371;

/** What the analysis finds; equal for every system, or the run is void. */
interface Findings {
  readonly vendors: number;
  readonly passengersOfVendor1: number;
  readonly longest: number;
  readonly meanDuration: number;
  readonly far: number;
}

/** Synthetic trips: the original recordings are no longer served. */
function tripChunk(column: number, chunk: number): Uint8Array {
  const values = new Float64Array(rowsPerChunk);
  for (let at = 0; at < rowsPerChunk; at++) {
    const trip = chunk * rowsPerChunk + at;
    const noise = ((Math.imul(trip, 0x9e3779b1) ^ (column * 0x85ebca6b)) >>> 8) / 2 ** 24;
    values[at] = [
      1 + (trip % 2),
      1 + (trip % 6),
      trip * 30,
      trip * 30 + 60 + noise * 3600,
      -74 + noise * 0.2,
      40.7 + noise * 0.2,
      -74 + noise * 2,
      40.7 + noise * 2,
    ][column]!;
  }
  return new Uint8Array(values.buffer);
}

/** Steps of specification A4.2: unique vendors, passengers of one vendor, durations, and trips above 100 km by haversine. */
async function analyse(store: ObjectStore, chunks: number, signal: AbortSignal): Promise<Findings> {
  const column = async (name: (typeof columns)[number], chunk: number) => {
    const bytes = await store.get(columns.indexOf(name) * chunks + chunk);
    // Bytes last until the next await, and need not lie on an 8-byte boundary.
    return new Float64Array(Uint8Array.prototype.slice.call(bytes).buffer);
  };
  const vendors = new Set<number>();
  let passengersOfVendor1 = 0;
  let longest = 0;
  let total = 0;
  let far = 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    await turn(signal);
    for (const vendor of await column('vendor', chunk)) vendors.add(vendor);
  }
  for (let chunk = 0; chunk < chunks; chunk++) {
    const [vendor, passengers] = await Promise.all([column('vendor', chunk), column('passengers', chunk)]);
    for (let at = 0; at < rowsPerChunk; at++) if (vendor[at] === 1) passengersOfVendor1 += passengers[at]!;
  }
  for (let chunk = 0; chunk < chunks; chunk++) {
    const [pickup, dropoff] = await Promise.all([column('pickup', chunk), column('dropoff', chunk)]);
    for (let at = 0; at < rowsPerChunk; at++) {
      const duration = dropoff[at]! - pickup[at]!;
      longest = Math.max(longest, duration);
      total += duration;
    }
  }
  for (let chunk = 0; chunk < chunks; chunk++) {
    const [a, b, c, d] = await Promise.all([
      column('fromLon', chunk),
      column('fromLat', chunk),
      column('toLon', chunk),
      column('toLat', chunk),
    ]);
    for (let at = 0; at < rowsPerChunk; at++) if (haversineKm(a[at]!, b[at]!, c[at]!, d[at]!) > 100) far++;
  }
  return { vendors: vendors.size, passengersOfVendor1, longest, meanDuration: total / (chunks * rowsPerChunk), far };
}

function haversineKm(fromLon: number, fromLat: number, toLon: number, toLat: number): number {
  const radians = Math.PI / 180;
  const a =
    Math.sin(((toLat - fromLat) * radians) / 2) ** 2 +
    Math.cos(fromLat * radians) * Math.cos(toLat * radians) * Math.sin(((toLon - fromLon) * radians) / 2) ** 2;
  return 2 * earthKm * Math.asin(Math.sqrt(a));
}

const localShares = [0.5, 0.25] as const;

export const taxi: Workload = { name: 'taxi', steps: (against) => localShares.length + against.size, run };

async function run({ shrink, against, signal, step, record }: Bench): Promise<void> {
  const chunks = Math.max(2, fullRows / shrink / rowsPerChunk);
  const objects = columns.length * chunks;
  let expected: string | undefined;
  const measure = async (system: string, localShare: number | null, store: ObjectStore) => {
    step(`taxi: ${system}`);
    try {
      await store.load(objects, (index) => tripChunk(Math.floor(index / chunks), index % chunks));
      await analyse(store, chunks, signal);
      const start = performance.now();
      const findings = JSON.stringify(await analyse(store, chunks, signal));
      const value = performance.now() - start;
      expected ??= findings;
      if (findings !== expected) throw new Error(`${system} finds ${findings}, the others ${expected}`);
      record({
        workload: 'taxi',
        system,
        measure: 'analysis',
        unit: 'ms',
        value,
        localShare,
        missRatio: store.missRatio(),
        inFlight: 1,
      });
    } finally {
      await store.close();
    }
  };
  if (against.has('map')) await measure('map', 1, mapObjects());
  for (const localShare of localShares)
    await measure(
      `far ${localShare * 100} %`,
      localShare,
      await farObjects(chunkBytes, objects, Math.max(2 ** 21, localShare * objects * chunkBytes)),
    );
  if (against.has('redis')) await measure('redis', 0, (await openRedis()).objects);
  if (against.has('lmdb')) await measure('lmdb', null, (await openLmdb()).objects);
}
