import { afterEach, describe, expect, it } from 'vitest';
import { startAgent } from '../agent/index.ts';
import { type DataFrame, FarMemory, type FarMemoryOptions, FarUsageError, f32, f64, i64, u8, u32 } from '../index.ts';
import { openSmall, randomOf } from '../testing/small-memory.case.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function agents(count: number): Promise<string[]> {
  const started = await Promise.all(
    Array.from({ length: count }, () => startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 26 })),
  );
  ends.push(() => Promise.all(started.map((agent) => agent.close())));
  return started.map(({ address }) => address);
}

const rows = 20_000;
const day = 86_400;
const earthRadiusKm = 6371;

/** Trips as the yellow cabs' records have them (specification A4.2), made up. */
function taxiTrips() {
  const random = randomOf(7);
  const column = <T extends Uint8Array | Uint32Array | Float32Array | Float64Array>(
    values: T,
    of: (row: number) => number,
  ) => {
    for (let row = 0; row < rows; row++) values[row] = of(row);
    return values;
  };
  const pickup = column(new Float64Array(rows), (row) => row * 130 + random(100));
  const around = (centre: number) => () => centre + (random(2000) - 1000) / (random(200) === 0 ? 500 : 5000);
  return {
    vendor: column(new Uint8Array(rows), () => 1 + random(2)),
    passengers: column(new Uint8Array(rows), () => random(7)),
    pickup,
    dropoff: column(new Float64Array(rows), (row) => pickup[row]! + 60 + random(3000)),
    stored: column(new Uint8Array(rows), () => (random(100) === 0 ? 1 : 0)),
    fromLatitude: column(new Float64Array(rows), around(40.75)),
    fromLongitude: column(new Float64Array(rows), around(-73.98)),
    toLatitude: column(new Float64Array(rows), around(40.75)),
    toLongitude: column(new Float64Array(rows), around(-73.98)),
    fare: column(new Float32Array(rows), () => random(5000) / 100),
  };
}

const layouts = {
  vendor: u8,
  passengers: u8,
  pickup: f64,
  dropoff: f64,
  stored: u8,
  fromLatitude: f64,
  fromLongitude: f64,
  toLatitude: f64,
  toLongitude: f64,
  fare: f32,
};

function haversineKm(fromLat: number, fromLon: number, toLat: number, toLon: number): number {
  const radians = Math.PI / 180;
  const a =
    Math.sin(((toLat - fromLat) * radians) / 2) ** 2 +
    Math.cos(fromLat * radians) * Math.cos(toLat * radians) * Math.sin(((toLon - fromLon) * radians) / 2) ** 2;
  return 2 * earthRadiusKm * Math.asin(Math.sqrt(a));
}

const median = (values: number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

const places: readonly (readonly [string, () => Promise<Partial<FarMemoryOptions>>])[] = [
  ['in this process', async () => ({})],
  ['on an agent', async () => ({ agents: await agents(1) })],
  ['on three agents, two replicas', async () => ({ agents: await agents(3), replicas: 2, integrity: 'crc32' })],
];

describe.each(places)('the taxi analysis, far side %s', (_, options) => {
  it('answers its nine questions as arrays do, with a local memory of 64 KiB for 1 MiB', {
    timeout: 120_000,
  }, async () => {
    const far = await openSmall(await options());
    const trips = taxiTrips();
    const frame = far.dataFrame(layouts, { chunkRows: 256 });
    await frame.append(trips);
    expect(frame.length).toBe(rows);
    const list = async (question: Promise<Readonly<Record<string, Iterable<number | bigint>>>>, column: string) => [
      ...(await question)[column]!,
    ];

    expect(await list(frame.run('unique', { column: 'vendor' }), 'value')).toEqual([...new Set(trips.vendor)]);
    for (const vendor of [1, 2]) {
      const counted = await frame.run('groupBy', {
        key: 'passengers',
        aggregates: [{ op: 'count', column: 'passengers', as: 'trips' }],
        where: { column: 'vendor', op: '==', value: vendor },
      });
      const expected = new Map<number, number>();
      trips.passengers.forEach((passengers, row) => {
        if (trips.vendor[row] === vendor) expected.set(passengers, (expected.get(passengers) ?? 0) + 1);
      });
      expect([...counted.passengers!].map((key, at) => [key, Number(counted.trips![at])])).toEqual([...expected]);
    }

    await frame.derive('seconds', f64, ['pickup', 'dropoff'], (from, to) => to - from);
    const seconds = [...trips.dropoff].map((to, row) => to - trips.pickup[row]!);
    expect(await list(frame.run('max', { column: 'seconds' }), 'max')).toEqual([Math.max(...seconds)]);
    expect(await list(frame.run('min', { column: 'seconds' }), 'min')).toEqual([Math.min(...seconds)]);
    const [mean] = await list(frame.run('mean', { column: 'seconds' }), 'mean');
    expect(mean).toBeCloseTo(seconds.reduce((sum, value) => sum + value) / rows, 9);

    const stored = await list(
      frame.run('count', { column: 'stored', where: { column: 'stored', op: '==', value: 1 } }),
      'count',
    );
    expect(stored.map(Number)).toEqual([trips.stored.filter((value) => value === 1).length]);

    const ends = ['fromLatitude', 'fromLongitude', 'toLatitude', 'toLongitude'];
    await frame.derive('km', f64, ends, haversineKm);
    const km = seconds.map((_, row) =>
      haversineKm(trips.fromLatitude[row]!, trips.fromLongitude[row]!, trips.toLatitude[row]!, trips.toLongitude[row]!),
    );
    const distant = await list(
      frame.run('count', { column: 'km', where: { column: 'km', op: '>', value: 100 } }),
      'count',
    );
    expect(distant.map(Number)).toEqual([km.filter((value) => value > 100).length]);
    expect([...(await frame.values('km', 300, 1000))]).toEqual(km.slice(300, 1000));

    await frame.derive('day', u32, ['pickup'], (pickup) => Math.floor(pickup / day));
    await frame.derive('month', u32, ['day'], (date) => Math.floor(date / 7));
    for (const [key, width] of [
      ['day', day],
      ['month', 7 * day],
    ] as const) {
      const expected = new Map<number, number[]>();
      trips.pickup.forEach((pickup, row) => {
        const at = Math.floor(pickup / width);
        const known = expected.get(at);
        if (known) known.push(seconds[row]!);
        else expected.set(at, [seconds[row]!]);
      });
      const grouped = await frame.run('groupBy', {
        key,
        aggregates: [{ op: 'median', column: 'seconds', as: 'median' }],
      });
      expect([...grouped[key]!]).toEqual([...expected.keys()]);
      expect([...grouped.median!]).toEqual([...expected.values()].map(median));
    }
    const histogram = await frame.run('histogram', { column: 'fare', min: 0, max: 50, bins: 5 });
    const bins = [0, 0, 0, 0, 0];
    for (const fare of trips.fare) if (fare < 50) bins[Math.floor(fare / 10)]!++;
    expect([...histogram.count!].map(Number)).toEqual(bins);
    expect(far.stats().misses).toBeGreaterThan(0);
    await frame.drop();
  });
});

describe('a data frame', () => {
  const twoColumns = async (): Promise<DataFrame> =>
    (await openSmall()).dataFrame({ a: u32, b: f64 }, { chunkRows: 16 });

  it('takes rows for all columns or for none', async () => {
    const frame = await twoColumns();
    await expect(frame.append({ a: [1, 2], b: [1] })).rejects.toThrow(/found a: 2, b: 1/);
    await expect(frame.append({ a: [1] })).rejects.toThrow(/for each of a, b; found a: 1/);
    await expect(frame.append({ a: [1], b: [1], c: [1] })).rejects.toThrow(/c: 1/);
    expect(frame.length).toBe(0);
    await frame.append({ a: [1, 2], b: [3, 4.5] });
    expect([...(await frame.values('b'))]).toEqual([3, 4.5]);
  });

  it('keeps its columns, and nothing of a new one, when computing that fails', async () => {
    const far = await openSmall();
    const frame = far.dataFrame({ a: u32 }, { chunkRows: 16 });
    await frame.append({ a: Uint32Array.from({ length: 100 }, (_, row) => row) });
    const { objects } = far.stats();
    const fail = (row: number) => {
      if (row === 70) throw new Error('no');
      return row;
    };
    await expect(frame.derive('b', f64, ['a'], fail)).rejects.toThrow('no');
    expect([frame.columns, far.stats().objects, (await frame.values('a'))[99]]).toEqual([['a'], objects, 99]);
  });

  it('makes changes one after the other: appends begun together, and one that is begun during a derive', async () => {
    const far = await openSmall();
    const frame = far.dataFrame({ a: u32, b: f64 }, { chunkRows: 16 });
    const rowsFrom = (from: number, count: number) => ({
      a: Uint32Array.from({ length: count }, (_, row) => from + row),
      b: Float64Array.from({ length: count }, (_, row) => -(from + row)),
    });
    // Appends that were begun together keep the rows of all columns side by side.
    await Promise.all([0, 1000, 2000].map((from) => frame.append(rowsFrom(from, 1000))));
    const [a, b] = [await frame.values('a'), await frame.values('b')];
    expect([...a]).toEqual(Array.from({ length: 3000 }, (_, row) => row));
    expect([...b]).toEqual([...a].map((value) => -value || -0));
    const deriving = frame.derive('c', f64, ['a', 'b'], (x, y) => x - y);
    const appending = frame.append(rowsFrom(3000, 500));
    await deriving;
    // The frame has a column more by then: what was given does not fit it any longer, and it is said so.
    await expect(appending).rejects.toThrow(/for each of a, b, c; found a: 500, b: 500/);
    expect([frame.length, (await frame.values('c'))[2999]]).toEqual([3000, 5998]);
    const running = frame.run('sum', { column: 'c' });
    const more = frame.append({ ...rowsFrom(3000, 100), c: new Float64Array(100) });
    expect([...(await running).sum!]).toEqual([3000 * 2999]);
    await more;
    expect([...(await frame.run('count', { column: 'a' })).count!].map(Number)).toEqual([3100]);
    const dropping = frame.drop();
    await expect(frame.append(rowsFrom(0, 1))).rejects.toThrow(/dropped/);
    await dropping;
  });

  it('keeps 64-bit integers exact, or says that it cannot', async () => {
    const far = await openSmall();
    const frame = far.dataFrame({ big: i64, small: u32 }, { chunkRows: 16 });
    await expect(frame.append({ big: [1.5], small: [1] })).rejects.toBeInstanceOf(FarUsageError);
    await expect(frame.append({ big: [2 ** 53], small: [1] })).rejects.toThrow(/column big holds 64-bit integers/);
    await expect(frame.append({ big: [1n], small: [2n ** 60n] })).rejects.toThrow(/beyond 2\^53 - 1/);
    expect(frame.length).toBe(0);
    const big = BigInt64Array.from([2n ** 62n + 1n, -7n, 3n]);
    await frame.append({ big, small: [1, 2, 3] });
    expect([...(await frame.values('big'))]).toEqual([...big]);
    expect([...(await frame.run('max', { column: 'big' })).max!]).toEqual([2n ** 62n + 1n]);
    await expect(frame.derive('next', i64, ['big'], (value) => value + 1)).rejects.toThrow(
      /4611686018427387905 of column big is beyond 2\^53 - 1/,
    );
    await expect(frame.derive('half', i64, ['small'], (value) => value / 2)).rejects.toThrow(/0.5 is none/);
    expect(frame.columns).toEqual(['big', 'small']);
    await frame.derive('wide', i64, ['small'], (value) => 2n ** 60n + BigInt(value));
    expect([...(await frame.values('wide'))]).toEqual([1, 2, 3].map((value) => 2n ** 60n + BigInt(value)));
  });

  it('takes rows from 0 on only', async () => {
    const frame = await twoColumns();
    await frame.append({ a: Uint32Array.from({ length: 40 }, (_, row) => row), b: new Float64Array(40) });
    for (const [start, end] of [
      [-1, 5],
      [0, -1],
      [0.5, 3],
      [Number.NaN, 3],
    ] as const)
      await expect(frame.values('a', start, end)).rejects.toBeInstanceOf(FarUsageError);
    expect([...(await frame.values('a', 38, 100))]).toEqual([38, 39]);
    expect([...(await frame.values('a', 50))]).toEqual([]);
    expect([...(await frame.values('a', 5, 3))]).toEqual([]);
  });

  it('names what is missing', async () => {
    const frame = await twoColumns();
    await frame.append({ a: [1], b: [2] });
    await expect(frame.values('c')).rejects.toThrow(/no column c; there are a, b/);
    await expect(frame.run('max', { column: 'c' })).rejects.toThrow(/no column c/);
    await expect(frame.run('maximum', { column: 'a' })).rejects.toThrow(/no operator maximum/);
    await expect(frame.derive('a', u32, ['b'], (b) => b)).rejects.toThrow(/there is a column a already/);
    await frame.drop();
    await expect(frame.values('a')).rejects.toThrow(/dropped/);
  });
});

describe('a far memory on agents', () => {
  it('is opened by their addresses, and a vector runs operators there and here alike', async () => {
    for (const options of [{}, { agents: await agents(2), replicas: 2 as const }]) {
      const far = await FarMemory.open({ localBytes: 8 * 65_536, segmentBytes: 65_536, ...options });
      const values = far.vector(f64);
      await values.push(Float64Array.from({ length: 100_001 }, (_, i) => i));
      expect([...(await values.run('sum', { column: 'value' })).columns.sum!]).toEqual([5_000_050_000]);
      expect(await values.at(99_999)).toBe(99_999);
      expect(far.stats().agents.length).toBe('agents' in options ? 2 : 1);
      await far.close();
    }
  });

  it('reads synchronously where that was asked for', async () => {
    const { startAgentProcess } = await import('../testing/agent-process.case.ts');
    const agent = await startAgentProcess();
    ends.push(() => agent.kill());
    const far = await FarMemory.open({
      localBytes: 8 * 4096,
      segmentBytes: 4096,
      agents: [agent.address],
      sync: 'worker',
    });
    const array = far.array(u32, 20_000);
    for (let i = 0; i < 20_000; i++) await array.set(i, i * 3);
    for (let i = 0; i < 20_000; i += 997) expect(array.atSync(i)).toBe(i * 3);
    await far.close();
  });

  it('reports the health of what the agents hold, and refuses replicas that cannot be', async () => {
    const [first, ...others] = await agents(3);
    const far = await FarMemory.open({ localBytes: 2 ** 23, agents: [first!, ...others], replicas: 2 });
    ends.push(() => far.close());
    const numbers = far.vector(u32);
    await numbers.push(Array.from({ length: 10_000 }, (_, at) => at));
    await far.flush();
    await far.repaired();
    expect(far.health()).toMatchObject({ objects: 10, replicas: 2, underReplicated: 0, unreachable: 0, lost: 0 });
    expect(far.health()!.agents.map(({ state, wrongAnswers }) => [state, wrongAnswers])).toEqual(
      Array.from({ length: 3 }, () => ['connected', 0]),
    );
    const here = await FarMemory.open({ localBytes: 2 ** 23 });
    expect(here.health()).toBeUndefined();
    await here.repaired();
    await here.close();
    for (const replicas of [0, 4, 1.5])
      await expect(FarMemory.open({ localBytes: 2 ** 23, agents: [first!], replicas: replicas as 1 })).rejects.toThrow(
        `replicas is ${replicas}; expected 1, 2 or 3`,
      );
  });

  it('refuses agents and a store together, and agents that are not there', async () => {
    const { createLocalStore } = await import('../index.ts');
    const localBytes = 8 * 2 ** 20;
    await expect(
      FarMemory.open({ localBytes, agents: ['tcp://127.0.0.1:1'], store: createLocalStore() }),
    ).rejects.toThrow(/give one of them/);
    await expect(
      FarMemory.open({ localBytes, agents: ['tcp://127.0.0.1:1'], timeoutMilliseconds: 300 }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^FAR_AGENT/) });
  });
});
