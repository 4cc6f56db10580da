import type { DataFrame } from '@strata/far-memory';
import { turn } from './bench.ts';
import type { ObjectStore } from './stores.ts';
import {
  dayOf,
  derivedColumns,
  haversineKm,
  hourOf,
  monthOf,
  rowsPerChunk,
  type TripColumn,
  type TripValues,
  tripColumnNames,
  tripColumns,
} from './taxi-trips.ts';

/** By key, in the order of the keys. */
type ByKey = readonly (readonly [key: number, value: number])[];

/** Answers of the nine steps of specification A4.2; equal for every system, or the run is void. */
export interface Findings {
  readonly vendors: readonly number[];
  readonly passengersOfVendor1: ByKey;
  readonly passengersOfVendor2: ByKey;
  readonly duration: { readonly most: number; readonly least: number; readonly mean: number };
  /** Trips whose record was stored before it was forwarded, by vendor. */
  readonly stored: ByKey;
  readonly beyond100Km: number;
  readonly pickup: { readonly first: number; readonly last: number; readonly byHour: ByKey; readonly byMonth: ByKey };
  readonly medianByDay: ByKey;
  readonly medianByMonth: ByKey;
}

const sortedByKey = (pairs: Iterable<readonly [number, number]>): ByKey => [...pairs].sort(([a], [b]) => a - b);

/** By operators of the data frame: they run on the agent, and columns that are derived here go there. */
export async function analyseFrame(frame: DataFrame, signal: AbortSignal): Promise<Findings> {
  const one = async (operator: string, column: string, where?: object) => {
    signal.throwIfAborted();
    const columns = await frame.run(operator, { column, ...(where !== undefined && { where }) });
    return Number(columns[operator]![0]);
  };
  const grouped = async (key: string, op: 'count' | 'median', column: string, where?: object) => {
    signal.throwIfAborted();
    const aggregates = [{ op, column, as: 'value' }];
    const columns = await frame.run('groupBy', { key, aggregates, ...(where !== undefined && { where }) });
    return sortedByKey([...columns[key]!].map((group, at) => [Number(group), Number(columns.value![at])] as const));
  };
  const isVendor = (value: number) => ({ column: 'vendor', op: '==', value });
  const vendors = [...(await frame.run('unique', { column: 'vendor' })).value!].map(Number).sort((a, b) => a - b);
  const passengersOfVendor1 = await grouped('passengers', 'count', 'vendor', isVendor(1));
  const passengersOfVendor2 = await grouped('passengers', 'count', 'vendor', isVendor(2));
  await frame.derive('duration', derivedColumns.duration, ['pickup', 'dropoff'], (from, to) => to - from);
  const duration = {
    most: await one('max', 'duration'),
    least: await one('min', 'duration'),
    mean: await one('mean', 'duration'),
  };
  const stored = await grouped('vendor', 'count', 'stored', { column: 'stored', op: '==', value: 1 });
  await frame.derive('km', derivedColumns.km, ['fromLon', 'fromLat', 'toLon', 'toLat'], haversineKm);
  const beyond100Km = await one('count', 'km', { column: 'km', op: '>', value: 100 });
  await frame.derive('hour', derivedColumns.hour, ['pickup'], hourOf);
  await frame.derive('day', derivedColumns.day, ['pickup'], dayOf);
  await frame.derive('month', derivedColumns.month, ['pickup'], monthOf);
  const pickup = {
    first: await one('min', 'pickup'),
    last: await one('max', 'pickup'),
    byHour: await grouped('hour', 'count', 'hour'),
    byMonth: await grouped('month', 'count', 'month'),
  };
  const medianByDay = await grouped('day', 'median', 'duration');
  const medianByMonth = await grouped('month', 'median', 'duration');
  return {
    ...{ vendors, passengersOfVendor1, passengersOfVendor2, duration, stored, beyond100Km },
    ...{ pickup, medianByDay, medianByMonth },
  };
}

/** By plain loops over chunks of columns, which a store gives one by one; what the frame derives is computed where it is needed. */
export async function analyseChunks(store: ObjectStore, chunks: number, signal: AbortSignal): Promise<Findings> {
  const column = async (name: TripColumn, chunk: number): Promise<TripValues> => {
    const bytes = await store.get(tripColumnNames.indexOf(name) * chunks + chunk);
    if (tripColumns[name].element === 'u8') return bytes;
    // Bytes need not lie on an 8-byte boundary.
    const aligned = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
    return new Float64Array(aligned.buffer, aligned.byteOffset, rowsPerChunk);
  };
  const each = async (names: readonly TripColumn[], look: (...columns: readonly TripValues[]) => void) => {
    for (let chunk = 0; chunk < chunks; chunk++) {
      await turn(signal);
      look(...(await Promise.all(names.map((name) => column(name, chunk)))));
    }
  };
  const vendors = new Set<number>();
  await each(['vendor'], (vendor) => {
    for (const one of vendor!) vendors.add(one);
  });
  const passengersOf = async (vendor: number) => {
    const counts = new Map<number, number>();
    await each(['vendor', 'passengers'], (vendorOf, passengers) => {
      for (let at = 0; at < rowsPerChunk; at++) if (vendorOf![at] === vendor) countOne(counts, passengers![at]!);
    });
    return sortedByKey(counts);
  };
  const passengersOfVendor1 = await passengersOf(1);
  const passengersOfVendor2 = await passengersOf(2);
  let [most, least, sum] = [-Infinity, Infinity, 0];
  await each(['pickup', 'dropoff'], (pickup, dropoff) => {
    for (let at = 0; at < rowsPerChunk; at++) {
      const duration = dropoff![at]! - pickup![at]!;
      most = Math.max(most, duration);
      least = Math.min(least, duration);
      sum += duration;
    }
  });
  const stored = new Map<number, number>();
  await each(['vendor', 'stored'], (vendor, isStored) => {
    for (let at = 0; at < rowsPerChunk; at++) if (isStored![at] === 1) countOne(stored, vendor![at]!);
  });
  let beyond100Km = 0;
  await each(['fromLon', 'fromLat', 'toLon', 'toLat'], (a, b, c, d) => {
    for (let at = 0; at < rowsPerChunk; at++) if (haversineKm(a![at]!, b![at]!, c![at]!, d![at]!) > 100) beyond100Km++;
  });
  let [first, last] = [Infinity, -Infinity];
  const byHour = new Map<number, number>();
  const byMonth = new Map<number, number>();
  await each(['pickup'], (pickup) => {
    for (const when of pickup!) {
      first = Math.min(first, when);
      last = Math.max(last, when);
      countOne(byHour, hourOf(when));
      countOne(byMonth, monthOf(when));
    }
  });
  const medianBy = async (keyOf: (pickup: number) => number) => {
    const groups = new Map<number, number[]>();
    await each(['pickup', 'dropoff'], (pickup, dropoff) => {
      for (let at = 0; at < rowsPerChunk; at++) {
        const key = keyOf(pickup![at]!);
        const duration = dropoff![at]! - pickup![at]!;
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [duration]);
        else group.push(duration);
      }
    });
    return sortedByKey([...groups].map(([key, durations]) => [key, medianOf(durations)] as const));
  };
  return {
    vendors: [...vendors].sort((a, b) => a - b),
    ...{ passengersOfVendor1, passengersOfVendor2 },
    duration: { most, least, mean: sum / (chunks * rowsPerChunk) },
    stored: sortedByKey(stored),
    beyond100Km,
    pickup: { first, last, byHour: sortedByKey(byHour), byMonth: sortedByKey(byMonth) },
    medianByDay: await medianBy(dayOf),
    medianByMonth: await medianBy(monthOf),
  };
}

function countOne(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
