import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Agent, startAgent } from '../agent/index.ts';
import { type FarMemory, f32, f64, i16, i64, type Packed, struct, u8, u32 } from '../index.ts';
import { builtIns } from '../operators/index.ts';
import { openSmall } from '../testing/small-memory.case.ts';

let agents: readonly Agent[] = [];
beforeAll(async () => {
  agents = await Promise.all(
    Array.from({ length: 3 }, () => startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 26 })),
  );
});
afterAll(() => Promise.all(agents.map((agent) => agent.close())));

const Row = struct({ key: u8, weight: f64, near: f32, steps: i16, big: i64, at: u32 });
const row = fc.record(
  {
    key: fc.nat(4),
    weight: fc.double({ noDefaultInfinity: true }),
    near: fc.float({ noDefaultInfinity: true, noNaN: true }),
    steps: fc.integer({ min: -32_768, max: 32_767 }),
    big: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    at: fc.nat(),
  },
  { noNullPrototype: true },
);
const columns = ['key', 'weight', 'near', 'steps', 'big', 'at'] as const;
const where = fc.oneof(
  fc.constant(undefined),
  fc.record({ column: fc.constant('key'), op: fc.constantFrom('==', '!=', '<', '>='), value: fc.nat(4) }),
  fc.record({ column: fc.constant('steps'), op: fc.constantFrom('<', '>'), value: fc.integer({ min: -99, max: 99 }) }),
);

/** Every operator, with what it needs. */
const parameters = fc
  .record({ name: fc.constantFrom(...builtIns.map(({ name }) => name)), column: fc.constantFrom(...columns), where })
  .map(({ name, column, where: condition }) => {
    const aggregates = ['count', 'sum', 'mean', 'min', 'max', 'median'].map((op) => ({ op, column }));
    const filtered = condition === undefined ? {} : { where: condition };
    switch (name) {
      case 'groupBy':
        return { name, parameters: { key: 'key', aggregates, ...filtered } };
      case 'groupRuns':
        return { name, parameters: { key: 'key', aggregates } };
      case 'histogram':
        return { name, parameters: { column: 'steps', min: -1000, max: 1000, bins: 7, ...filtered } };
      case 'nth':
        return { name, parameters: { column, n: 3 } };
      case 'filter':
        return { name, parameters: { where: condition ?? { column: 'key', op: '>', value: 1 } } };
      case 'scan':
      case 'project':
        return { name, parameters: filtered };
      default:
        return { name, parameters: { column } };
    }
  });

function plain(packed: Packed): Readonly<Record<string, readonly (number | bigint)[]>> {
  return Object.fromEntries(Object.entries(packed.columns).map(([name, values]) => [name, [...values]]));
}

/** What an operator gives, or the kind of error that it refuses with. */
async function answer(work: Promise<Packed>): Promise<unknown> {
  try {
    return plain(await work);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message.replace(/^agent \S+: /, '')}` : error;
  }
}

describe('vector.run', () => {
  it('gives here, on one agent and on three with two replicas the same, on random rows that do not fit local memory', {
    timeout: 240_000,
  }, async () => {
    const addresses = agents.map(({ address }) => address);
    const places: readonly (() => Promise<FarMemory>)[] = [
      () => openSmall(),
      () => openSmall({ agents: addresses.slice(0, 1) }),
      () => openSmall({ agents: addresses, replicas: 2 }),
    ];
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 300, size: 'max' }),
        fc.array(parameters, { minLength: 6, maxLength: 12, size: 'max' }),
        async (rows, calls) => {
          const answers = await Promise.all(
            places.map(async (open) => {
              const far = await open();
              const vector = far.vector(Row, { chunkBytes: 256 });
              await vector.push(rows);
              const indices = Float64Array.from(rows, ({ at }) => at % Math.max(1, rows.length));
              const found: unknown[] = [];
              for (const call of calls) found.push(await answer(vector.run(call.name, call.parameters, { indices })));
              await far.close();
              return found;
            }),
          );
          for (const [at, call] of calls.entries()) {
            if (typeof answers[0]![at] !== 'string') seen.add(call.name);
            expect(answers[1]![at], `${call.name} on one agent`).toEqual(answers[0]![at]);
            expect(answers[2]![at], `${call.name} on three`).toEqual(answers[0]![at]);
          }
        },
      ),
      { numRuns: 25, seed: 5 },
    );
    // Each of them gave something, not only errors that agree.
    expect([...seen].sort()).toEqual(builtIns.map(({ name }) => name).sort());
  });

  it('agrees with plain code on the rows', { timeout: 120_000 }, async () => {
    const far = await openSmall({ agents: agents.map(({ address }) => address), replicas: 2 });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 200, size: 'max' }), async (rows) => {
        const vector = far.vector(Row, { chunkBytes: 256 });
        await vector.push(rows);
        const steps = rows.map((one) => one.steps);
        expect(plain(await vector.run('max', { column: 'steps' }))).toEqual({ max: [Math.max(...steps)] });
        expect(plain(await vector.run('unique', { column: 'key' })).value).toEqual([
          ...new Set(rows.map((r) => r.key)),
        ]);
        const kept = rows.flatMap((one, at) => (one.key === 2 ? [at] : []));
        expect(plain(await vector.run('filter', { where: { column: 'key', op: '==', value: 2 } })).row).toEqual(kept);
        const { sum } = plain(await vector.run('sum', { column: 'steps' }));
        expect(Number(sum![0])).toBe(steps.reduce((total, one) => total + one, 0));
        await vector.drop();
      }),
      { numRuns: 15, seed: 9 },
    );
    await far.close();
  });
});
