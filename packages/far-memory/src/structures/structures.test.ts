import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { startAgent } from '../agent/index.ts';
import { bytes, type FarMemory, f64, i32, PENDING, struct, u8, u16, u32, utf8, varbytes } from '../index.ts';
import { churnOf, openSmall, unreliable } from '../testing/small-memory.case.ts';
import { HASH_SEED, murmur3 } from './hash.ts';

/** One random operation on both, the built-in structure and the far one. */
type Operation<Model, Real> = (model: Model, real: Real) => Promise<void>;

/** An operation with random arguments. */
type On<Model, Real> = <Argument>(
  argument: fc.Arbitrary<Argument>,
  run: (model: Model, real: Real, argument: Argument) => Promise<void>,
) => fc.Arbitrary<Operation<Model, Real>>;

let agents: readonly string[] = [];
beforeAll(async () => {
  const started = await Promise.all(
    Array.from({ length: 3 }, () => startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 26 })),
  );
  agents = started.map(({ address }) => address);
  return () => Promise.all(started.map((agent) => agent.close()));
});

/** Every so many operations everything else is pushed out of local memory. */
const CHURN_EVERY = 7;

interface Subject<Model, Real> {
  readonly make: (far: FarMemory) => { model: Model; real: Real };
  readonly operations: (on: On<Model, Real>) => fc.Arbitrary<Operation<Model, Real>>;
  /** Everything at the end. */
  readonly check: Operation<Model, Real>;
}

async function runBoth<Model, Real>(
  far: FarMemory,
  { make, check }: Subject<Model, Real>,
  operations: readonly Operation<Model, Real>[],
): Promise<void> {
  const churn = churnOf(far);
  const { model, real } = make(far);
  for (const [index, operation] of operations.entries()) {
    if (index % CHURN_EVERY === 0) await churn();
    await operation(model, real);
  }
  await churn();
  await check(model, real);
  const { evacuated, cleanDropped, dirtyWritten } = far.stats();
  expect(dirtyWritten).toBeGreaterThan(0);
  expect(evacuated + cleanDropped).toBeGreaterThan(0);
}

function behavesAs<Model, Real extends { drop(): Promise<void> }>(name: string, subject: Subject<Model, Real>): void {
  const operation = subject.operations((argument, run) =>
    argument.map((drawn) => (model, real) => run(model, real, drawn)),
  );
  const property = (open: () => Promise<FarMemory>, numRuns: number, maxLength: number) =>
    fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength, size: 'max' }), async (operations) => {
        const far = await open();
        await runBoth(far, subject, operations);
        await far.close();
      }),
      { numRuns, seed: 7 },
    );
  it(`${name}, with everything moving`, () => property(() => openSmall(), 15, 300));
  it(`${name}, on a late and unordered store, policy cost-benefit, copies in the worker`, () =>
    property(
      () =>
        openSmall({
          store: unreliable({ seed: 5, delayMs: 1.2 }),
          evacuation: { policy: 'cost-benefit', copier: 'worker' },
        }),
      4,
      120,
    ));
  it(`${name}, on three agents with two replicas, with everything moving`, { timeout: 120_000 }, () =>
    property(() => openSmall({ agents, replicas: 2, integrity: 'crc32' }), 4, 120),
  );
  it(`${name}, and gives all memory back when dropped`, async () => {
    const far = await openSmall();
    const before = far.stats().objects;
    const { model, real } = subject.make(far);
    const operations = fc.sample(operation, { numRuns: 200, seed: 11 });
    for (const operation of operations) await operation(model, real);
    await real.drop();
    expect(far.stats().objects).toBe(before);
    expect(far.stats().agents[0]!.objects).toBe(0);
  });
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** Without lone surrogates, which no UTF-8 has. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

const Row = struct({ id: u32, weight: f64, tag: u8, note: utf8(12) });
const row = fc.record({
  id: fc.nat(0xffffffff),
  weight: fc.double({ noNaN: true }),
  tag: fc.nat(255),
  note: fc
    .string({ maxLength: 3, unit: 'grapheme' })
    .filter((text) => Buffer.byteLength(text) <= 12 && isWellFormed(text)),
});

describe('an array', () => {
  const length = 300;
  behavesAs('behaves as a typed array', {
    make: (far) => ({ model: new Float64Array(length), real: far.array(f64, length) }),
    operations: (on) =>
      fc.oneof(
        on(fc.tuple(fc.nat(length - 1), fc.double()), async (model, real, [index, value]) => {
          model[index] = value;
          if (!real.trySet(index, value)) await real.set(index, value);
        }),
        on(fc.nat(length - 1), async (model, real, index) => {
          expect(real.tryAt(index) ?? (await real.at(index))).toBe(model[index]);
        }),
        on(fc.nat(length - 1), async (model, real, index) => {
          const cell = real.tryMut(index) ?? (await real.mut(index));
          cell.value += 1;
          model[index]! += 1;
        }),
        on(fc.nat(length - 1), async (model, real, index) => {
          expect(await real.at(index, { nt: true })).toBe(model[index]);
        }),
      ),
    async check(model, real) {
      expect(await collect(real.values())).toEqual([...model]);
    },
  });
});

describe('a vector', () => {
  behavesAs('behaves as an array of objects', {
    make: (far) => ({ model: [] as object[], real: far.vector(Row, { chunkBytes: 256 }) }),
    operations: (on) =>
      fc.oneof(
        {
          weight: 3,
          arbitrary: on(fc.array(row, { maxLength: 20 }), async (model, real, rows) => {
            await real.push(rows);
            model.push(...rows);
          }),
        },
        on(row, async (model, real, value) => {
          if (!real.tryPush(value)) await real.push([value]);
          model.push(value);
        }),
        on(fc.nat(), async (model, real, at) => {
          if (model.length === 0) return;
          const index = at % model.length;
          expect((real.tryAt(index) ?? (await real.at(index))).toObject()).toEqual(model[index]);
        }),
        on(fc.tuple(fc.nat(), row), async (model, real, [at, value]) => {
          if (model.length === 0) return;
          await real.set(at % model.length, value);
          model[at % model.length] = value;
        }),
        on(fc.constant(0), async (model, real) => {
          expect(await real.pop()).toEqual(model.pop());
        }),
        on(fc.nat(3), async (model, real, less) => {
          const length = Math.max(0, model.length - less);
          await real.resize(length);
          model.length = length;
          await real.resize(length + 2);
          for (let added = 0; added < 2; added++) model.push({ id: 0, weight: 0, tag: 0, note: '' });
        }),
        on(fc.array(fc.nat(), { maxLength: 10 }), async (model, real, ats) => {
          if (model.length === 0) return;
          const indices = ats.map((at) => at % model.length);
          expect(await real.getMany(indices)).toEqual(indices.map((index) => model[index]));
        }),
        on(fc.constant(0), async (_model, real) => real.flush()),
      ),
    async check(model, real) {
      expect(real.length).toBe(model.length);
      expect(await collect(real.values())).toEqual(model);
      expect(await collect(real.values({ nt: true, from: 3 }))).toEqual(model.slice(3));
    },
  });
});

/** Keys that collide in the first bytes, and hold NUL bytes: A1.12 item 1. */
const binaryKey = fc.uint8Array({ minLength: 4, maxLength: 4, max: 3 });

describe('a hash map', () => {
  it('finds many keys at once, those that are not there too, while its index grows', async () => {
    const far = await openSmall({ localBytes: 1024 * 4096 });
    const map = far.map({ key: utf8(12), value: u32 });
    for (let size = 0; size < 3000; size++) {
      expect(map.trySet(`key ${size}`, size)).toBe(true);
      if (size % 97 !== 0) continue;
      const asked = Array.from({ length: 80 }, (_, at) => (size + at * 7919) % (2 * size + 2));
      const found = map.tryGetMany(asked.map((number) => `key ${number}`));
      expect(found).toEqual(asked.map((number) => (number <= size ? number : undefined)));
    }
  });

  it('tells keys of one hash apart, one by one and many at once', async () => {
    const far = await openSmall({ localBytes: 64 * 4096 });
    const map = far.map({ key: bytes(8), value: u32 });
    const words = new Uint32Array(2);
    const keyOf = (number: number) => {
      words.set([number, Math.imul(number, 0x9e3779b1)]);
      return new Uint8Array(words.buffer.slice(0));
    };
    const first = new Map<number, number>();
    const pairs: [number, number][] = [];
    for (let number = 0; pairs.length < 3; number++) {
      keyOf(number);
      const hash = murmur3(words, 0, 8, HASH_SEED);
      const other = first.get(hash);
      if (other === undefined) first.set(hash, number);
      else pairs.push([other, number]);
    }
    for (const [one, other] of pairs) {
      await map.set(keyOf(one), one);
      expect(map.tryGetMany([keyOf(other)])).toEqual([undefined]);
      expect(map.tryGet(keyOf(other))).toBeUndefined();
      await map.set(keyOf(other), other);
    }
    const numbers = pairs.flat();
    const keys = numbers.map(keyOf);
    expect(map.tryGetMany(keys)).toEqual(numbers);
    expect(await map.getMany(keys)).toEqual(numbers);
    for (const [one, other] of pairs) {
      expect(await map.delete(keyOf(one))).toBe(true);
      expect(map.tryGetMany([keyOf(one), keyOf(other)])).toEqual([undefined, other]);
    }
  });

  it('sets many at once: new ones, those that are away, and one key twice, of which the last counts', async () => {
    const far = await openSmall();
    const map = far.map({ key: utf8(12), value: bytes(200) });
    const entries = (salt: number) =>
      Array.from({ length: 900 }, (_, at) => [`key ${at % 600}`, new Uint8Array(200).fill(at + salt)] as const);
    const expected = (salt: number) =>
      Array.from({ length: 600 }, (_, at) => new Uint8Array(200).fill((at < 300 ? at + 600 : at) + salt));
    for (const salt of [1, 2]) {
      await map.setMany(entries(salt));
      expect(map.size).toBe(600);
      const keys = Array.from({ length: 600 }, (_, at) => `key ${at}`);
      expect(map.tryGetMany(keys)).toBe(PENDING);
      expect(await map.getMany(keys)).toEqual(expected(salt));
    }
    expect(await map.getMany(['none', 'key 0', 'nor this'])).toStrictEqual([undefined, expected(2)[0], undefined]);
    await map.setMany([]);
    expect(map.size).toBe(600);
  });

  behavesAs('with binary keys behaves as a Map', {
    make: (far) => ({ model: new Map<string, number>(), real: far.map({ key: bytes(4), value: u32 }) }),
    operations: (on) =>
      fc.oneof(
        {
          weight: 4,
          arbitrary: on(fc.tuple(binaryKey, fc.nat()), async (model, real, [key, value]) => {
            await real.set(key, value);
            model.set(key.join(), value);
          }),
        },
        on(binaryKey, async (model, real, key) => {
          const now = real.tryGet(key);
          expect(now === PENDING ? await real.get(key) : now).toBe(model.get(key.join()));
        }),
        on(binaryKey, async (model, real, key) => {
          expect(await real.delete(key)).toBe(model.delete(key.join()));
        }),
        on(binaryKey, async (model, real, key) => {
          const cell = await real.mut(key);
          expect(cell !== undefined).toBe(model.has(key.join()));
          if (cell === undefined) return;
          cell.value += 1;
          model.set(key.join(), (model.get(key.join())! + 1) >>> 0);
        }),
        on(fc.array(binaryKey, { maxLength: 70 }), async (model, real, keys) => {
          const expected = keys.map((key) => model.get(key.join()));
          const before = real.tryGetMany(keys);
          if (before !== PENDING) expect(before).toEqual(expected);
          expect(await real.getMany(keys)).toEqual(expected);
        }),
        on(fc.array(fc.tuple(binaryKey, fc.nat()), { maxLength: 70 }), async (model, real, entries) => {
          await real.setMany(entries);
          for (const [key, value] of entries) model.set(key.join(), value);
        }),
      ),
    async check(model, real) {
      expect(real.size).toBe(model.size);
      const entries = await collect(real.entries());
      expect(entries.map(([key, value]) => [key.join(), value]).sort()).toEqual([...model].sort());
    },
  });

  const text = fc.string({ maxLength: 8 });
  behavesAs('with texts and empty values behaves as a Map', {
    make: (far) => ({
      model: new Map<string, Uint8Array>(),
      real: far.map({ key: utf8(40), value: varbytes(300), initial: 2 }),
    }),
    operations: (on) =>
      fc.oneof(
        {
          weight: 4,
          arbitrary: on(fc.tuple(text, fc.uint8Array({ maxLength: 300 })), async (model, real, [key, value]) => {
            await real.set(key, value);
            model.set(key, value);
          }),
        },
        on(text, async (model, real, key) => {
          expect(await real.get(key)).toEqual(model.get(key));
          expect(await real.has(key)).toBe(model.has(key));
        }),
        on(text, async (model, real, key) => {
          expect(await real.delete(key)).toBe(model.delete(key));
        }),
        on(fc.array(text, { maxLength: 40 }), async (model, real, keys) => {
          const found = real.tryGetMany(keys);
          if (found !== PENDING) expect(found).toEqual(keys.map((key) => model.get(key)));
        }),
        on(text, async (model, real, key) => {
          await real.set(key, new Uint8Array(0));
          model.set(key, new Uint8Array(0));
        }),
      ),
    async check(model, real) {
      const entries = new Map(await collect(real.entries()));
      expect(entries).toEqual(model);
    },
  });
});

interface SortedModel {
  readonly entries: Map<number, string>;
}

it('a list loses a chunk in its middle, and only that, and gives its memory back', async () => {
  const far = await openSmall();
  const before = far.stats().objects;
  const list = far.list(u32, { chunkBytes: 64 });
  const model: number[] = [];
  for (let value = 0; value < 120; value++) {
    await list.pushBack(value);
    model.push(value);
  }
  // 16 values each.
  expect(far.stats().objects - before).toBe(8);
  for (let count = 0; count < 60; count++) expect(await list.remove(20)).toBe(model.splice(20, 1)[0]);
  // Values 32 to 79 were all that was in three of them.
  expect(far.stats().objects - before).toBe(5);
  expect(await collect(list.values())).toEqual(model);
  expect(list.length).toBe(60);
});

describe('a sorted map', () => {
  const numberKey = fc.oneof(
    fc.integer({ min: -50, max: 50 }),
    fc.double({ noNaN: true }).map((value) => value + 0),
  );
  const inOrder = ({ entries }: SortedModel) => [...entries].sort(([a], [b]) => a - b);
  behavesAs('with numbers behaves as a sorted array', {
    make: (far) => ({
      model: { entries: new Map() } as SortedModel,
      real: far.sortedMap({ key: f64, value: utf8(24), pageBytes: 512 }),
    }),
    operations: (on) =>
      fc.oneof(
        {
          weight: 5,
          arbitrary: on(fc.tuple(numberKey, fc.string({ maxLength: 6 })), async (model, real, [key, value]) => {
            if (!real.trySet(key, value)) await real.set(key, value);
            model.entries.set(key, value);
          }),
        },
        on(numberKey, async (model, real, key) => {
          const now = real.tryGet(key);
          expect(now === PENDING ? await real.get(key) : now).toBe(model.entries.get(key));
        }),
        on(numberKey, async (model, real, key) => {
          expect(await real.delete(key)).toBe(model.entries.delete(key));
        }),
        on(fc.tuple(numberKey, numberKey), async (model, real, [from, to]) => {
          const expected = inOrder(model).filter(([key]) => key >= from && key < to);
          expect(await collect(real.range({ from, to }))).toEqual(expected);
        }),
      ),
    async check(model, real) {
      expect(real.size).toBe(model.entries.size);
      expect(await collect(real.entries())).toEqual(inOrder(model));
    },
  });

  const text = fc.string({ maxLength: 5, unit: 'binary' }).filter(isWellFormed);
  behavesAs('with texts keeps the order of their bytes', {
    make: (far) => ({
      model: new Map<string, number>(),
      real: far.sortedMap({ key: utf8(20), value: i32, pageBytes: 256 }),
    }),
    operations: (on) =>
      fc.oneof(
        {
          weight: 3,
          arbitrary: on(fc.tuple(text, fc.integer()), async (model, real, [key, value]) => {
            await real.set(key, value);
            model.set(key, value);
          }),
        },
        on(text, async (model, real, key) => {
          expect(await real.delete(key)).toBe(model.delete(key));
        }),
      ),
    async check(model, real) {
      const expected = [...model].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await collect(real.entries())).toEqual(expected);
    },
  });
});

describe('a list', () => {
  behavesAs('behaves as an array', {
    make: (far) => ({ model: [] as number[], real: far.list(u16, { chunkBytes: 16 }) }),
    operations: (on) =>
      fc.oneof(
        on(fc.nat(65535), async (model, real, value) => {
          if (!real.tryPushBack(value)) await real.pushBack(value);
          model.push(value);
        }),
        on(fc.nat(65535), async (model, real, value) => {
          if (!real.tryPushFront(value)) await real.pushFront(value);
          model.unshift(value);
        }),
        {
          weight: 3,
          arbitrary: on(fc.tuple(fc.nat(), fc.nat(65535)), async (model, real, [at, value]) => {
            const index = at % (model.length + 1);
            await real.insert(index, value);
            model.splice(index, 0, value);
          }),
        },
        on(fc.nat(), async (model, real, at) => {
          if (model.length === 0) return;
          const index = at % model.length;
          expect(await real.remove(index)).toBe(model.splice(index, 1)[0]);
        }),
        on(fc.tuple(fc.nat(), fc.nat(65535)), async (model, real, [at, value]) => {
          if (model.length === 0) return;
          await real.set(at % model.length, value);
          model[at % model.length] = value;
          expect(await real.at(at % model.length)).toBe(value);
        }),
        on(fc.constant(0), async (model, real) => {
          const now = real.tryPopBack();
          expect(now === PENDING ? await real.popBack() : now).toBe(model.pop());
        }),
        on(fc.constant(0), async (model, real) => {
          const now = real.tryPopFront();
          expect(now === PENDING ? await real.popFront() : now).toBe(model.shift());
        }),
      ),
    async check(model, real) {
      expect(real.length).toBe(model.length);
      expect(await collect(real.values())).toEqual(model);
      expect(await collect(real.values({ reverse: true }))).toEqual([...model].reverse());
    },
  });
});

describe('a queue and a stack', () => {
  behavesAs('first in, first out', {
    make: (far) => ({ model: [] as number[], real: far.queue(u32, { chunkBytes: 64 }) }),
    operations: (on) =>
      fc.oneof(
        {
          weight: 3,
          arbitrary: on(fc.array(fc.nat(), { maxLength: 30 }), async (model, real, values) => {
            for (const value of values) if (!real.tryPush(value)) await real.push(value);
            model.push(...values);
          }),
        },
        on(fc.nat(40), async (model, real, count) => {
          for (let done = 0; done < count; done++) expect(await real.pop()).toBe(model.shift());
        }),
        on(fc.constant(0), async (model, real) => {
          expect(await real.peek()).toBe(model[0]);
        }),
      ),
    async check(model, real) {
      expect(await collect(real.values())).toEqual(model);
    },
  });
  behavesAs('last in, first out', {
    make: (far) => ({ model: [] as number[], real: far.stack(u32, { chunkBytes: 64 }) }),
    operations: (on) =>
      fc.oneof(
        {
          weight: 3,
          arbitrary: on(fc.array(fc.nat(), { maxLength: 30 }), async (model, real, values) => {
            for (const value of values) if (!real.tryPush(value)) await real.push(value);
            model.push(...values);
          }),
        },
        on(fc.nat(40), async (model, real, count) => {
          for (let done = 0; done < count; done++) expect(await real.pop()).toBe(model.pop());
        }),
        on(fc.constant(0), async (model, real) => {
          expect(await real.top()).toBe(model.at(-1));
        }),
      ),
    async check(model, real) {
      expect(await collect(real.values())).toEqual([...model].reverse());
    },
  });
});
