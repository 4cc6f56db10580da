import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Granularity, type PagingConfig, type Pattern, simulatePaging } from './simulate.ts';

const mib = 2 ** 20;
const uniform: PagingConfig = {
  objects: 65_536,
  objectBytes: 64,
  localBytes: mib,
  accesses: 1_000_000,
  pattern: { kind: 'uniform' },
  writes: false,
  seed: 12_345,
  granularity: 'object',
};
const zipf: Pattern = { kind: 'zipf', exponent: 0.85 };

describe('the reference results of specification A3.3', () => {
  test.each([
    ['uniform 64 B, reads (E9)', {}, 752_379, 0, 750_231, 0],
    ['uniform 64 B, half of them writes', { writes: true }, 752_268, 419_629, 750_252, 427_867],
    [
      'uniform 8192 B',
      { objects: 8192, objectBytes: 8192, localBytes: 16 * mib, accesses: 300_000 },
      225_510,
      0,
      451_020,
      0,
    ],
    ['sequential 64 B (E11)', { pattern: { kind: 'sequential' } as Pattern }, 1_000_000, 0, 15_625, 0],
    ['Zipf 0.85 with the hot set together', { pattern: zipf }, 317_303, 0, 312_678, 0],
    ['Zipf 0.85 with the hot set scattered', { pattern: { ...zipf, isScattered: true } }, 317_303, 0, 602_474, 0],
  ])('%s', (_name, changed, objectMisses, objectWrites, pageMisses, pageWrites) => {
    const object = simulatePaging({ ...uniform, ...changed });
    const page = simulatePaging({ ...uniform, ...changed, granularity: 'page' });
    expect([object.misses, object.writeBacks]).toEqual([objectMisses, objectWrites]);
    expect([page.misses, page.writeBacks]).toEqual([pageMisses, pageWrites]);
    expect(page.bytesIn).toBe(pageMisses * 4096);
  });

  test('uniform 512 B in 8 MiB, half of them writes', () => {
    const changed = { ...uniform, objectBytes: 512, localBytes: 8 * mib, writes: true };
    expect(simulatePaging(changed).misses).toBe(752_268);
    expect(simulatePaging({ ...changed, granularity: 'page' }).misses).toBe(749_895);
  });
});

test('page-sized objects, half of the accesses writes: the same misses and bytes either way (A3.3)', () => {
  const changed = {
    ...uniform,
    objects: 16_384,
    objectBytes: 4096,
    localBytes: 16 * mib,
    accesses: 500_000,
    writes: true,
  };
  const object = simulatePaging(changed);
  expect(object.misses).toBe(375_905);
  expect(simulatePaging({ ...changed, granularity: 'page' })).toEqual(object);
});

test('scattering moves every object to a place of its own, whatever their number', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 2 ** 32 - 1 }), (objects, seed) => {
      const config = { ...uniform, objects, accesses: 2000, seed, localBytes: 64 * objects };
      const misses = (isScattered: boolean) =>
        simulatePaging({ ...config, pattern: { kind: 'zipf', exponent: 0.85, isScattered } }).misses;
      // With room for all, misses are the distinct objects.
      expect(misses(true)).toBe(misses(false));
    }),
    { numRuns: 50 },
  );
});

describe('against a list that is searched from the front', () => {
  const configs = fc.record({
    objects: fc.integer({ min: 1, max: 60 }),
    objectBytes: fc.integer({ min: 1, max: 9000 }),
    localPages: fc.integer({ min: 3, max: 20 }),
    accesses: fc.integer({ min: 0, max: 300 }),
    pattern: fc.constantFrom<Pattern>({ kind: 'uniform' }, { kind: 'sequential' }, zipf),
    writes: fc.boolean(),
    seed: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    granularity: fc.constantFrom<Granularity>('object', 'page'),
  });

  test('misses and write-backs are those of the obvious LRU', () => {
    fc.assert(
      fc.property(configs, ({ localPages, ...rest }) => {
        const config = { ...rest, localBytes: localPages * 4096 };
        const { misses, writeBacks } = simulatePaging(config);
        expect({ misses, writeBacks }).toEqual(obvious(config));
      }),
    );
  });

  test('more local memory never misses more', () => {
    fc.assert(
      fc.property(configs, ({ localPages, ...rest }) => {
        const smaller = simulatePaging({ ...rest, localBytes: localPages * 4096 });
        const larger = simulatePaging({ ...rest, localBytes: (localPages + 3) * 4096 });
        expect(larger.misses).toBeLessThanOrEqual(smaller.misses);
      }),
    );
  });
});

/** The same run with an array for the list and 64-bit integers for the generator. */
function obvious({ objects, objectBytes, localBytes, accesses, pattern, writes, seed, granularity }: PagingConfig) {
  let state = BigInt(seed);
  const random = () => {
    state = (state ^ (state << 13n)) & 0xffffffffn;
    state ^= state >> 17n;
    state = (state ^ (state << 5n)) & 0xffffffffn;
    return Number(state);
  };
  const weights = Array.from({ length: objects }, (_, rank) => (rank + 1) ** -0.85);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const size = granularity === 'object' ? objectBytes : 4096;
  const room = Math.floor(localBytes / size);
  const list: { unit: number; dirty: boolean }[] = [];
  let misses = 0;
  let writeBacks = 0;
  for (let access = 0; access < accesses; access++) {
    let index = access % objects;
    if (pattern.kind === 'uniform') index = random() % objects;
    if (pattern.kind === 'zipf') {
      const wanted = (random() / 2 ** 32) * sum;
      let total = 0;
      index = weights.findIndex((weight) => {
        total += weight;
        return total > wanted;
      });
      if (index < 0) index = objects - 1;
    }
    const dirty = writes && random() % 2 === 1;
    const units = new Set<number>();
    for (let byte = index * objectBytes; byte < (index + 1) * objectBytes; byte++)
      units.add(granularity === 'object' ? index : Math.floor(byte / 4096));
    for (const unit of units) {
      const at = list.findIndex((entry) => entry.unit === unit);
      const [entry] = at < 0 ? [{ unit, dirty: false }] : list.splice(at, 1);
      if (at < 0) misses++;
      if (list.length === room && list.pop()!.dirty) writeBacks++;
      list.unshift({ unit, dirty: entry!.dirty || dirty });
    }
  }
  return { misses, writeBacks };
}

test.each([
  [{ objects: 0 }, /number of objects.*1 to/s],
  [{ objectBytes: 1.5 }, /size of an object/],
  [{ localBytes: 63 }, /local memory.*64/s],
  [{ seed: 0 }, /seed/],
  [{ pattern: { kind: 'zipf', exponent: -1 } as Pattern }, /exponent of Zipf/],
])('refuses %j in words', (changed, sentence) => {
  expect(() => simulatePaging({ ...uniform, ...changed })).toThrow(sentence);
});
