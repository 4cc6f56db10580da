import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PageLevel, pagesIn } from './address.ts';
import { resolveMachine } from './machine-file.ts';
import { createPrintedTlb } from './print/tlb.ts';
import { createRandom } from './random.ts';
import { createTlb, type Tlb, type TlbOptions } from './tlb.ts';

const array = (entries: number, ways: number) => ({ entries, ways });

/** TLBs small enough that everything is evicted soon; some without arrays for huge pages. */
const options = fc
  .record({
    cores: fc.integer({ min: 1, max: 3 }),
    policy: fc.constantFrom('lru', 'lfu', 'random', 'srrip', 'tree-plru'),
    sharing: fc.constantFrom('none', '2m', '2m+1g'),
    small: fc.constantFrom(array(4, 2), array(6, 2), array(4, 4)),
    large: fc.constantFrom(array(0, 0), array(2, 2), array(3, 1)),
    giant: fc.constantFrom(array(0, 0), array(1, 1)),
    pageNumberBits: fc.constantFrom(36 as const, 45 as const),
  })
  .map(({ cores, policy, sharing, small, large, giant, pageNumberBits }): TlbOptions => {
    const level = { policy, sharing, page4k: small, page2m: large, page1g: giant };
    const l2 = { ...level, page4k: array(20, 4) };
    const { tlb } = resolveMachine({ tlb: { l1i: level, l1d: level, l2 } });
    return { cores, tlb, pageNumberBits };
  });

/** Pages whose size, and that of all around them, follows from their place, so that the mapping never contradicts itself. */
const pages = fc.oneof(
  fc.integer({ min: 0, max: 30 }),
  fc.integer({ min: 0, max: 2000 }).map((i) => 2 ** 20 + i),
  fc.integer({ min: 0, max: 3 * 2 ** 18 }).map((i) => 2 ** 30 + i),
  fc.integer({ min: 1, max: 30 }).map((i) => 2 ** 52 - i),
);

function levelOf(vpn: number): PageLevel {
  if (vpn >= 2 ** 30 && vpn < 2 ** 31) return 3;
  return vpn >= 2 ** 20 && vpn < 2 ** 21 ? 2 : 1;
}

/** Frames follow from pages too: huge pages are contiguous, neighbouring pages are not. */
function frameOf(vpn: number, process: number, epoch = 0): number {
  const size = pagesIn[levelOf(vpn)]!;
  const page = Math.floor((vpn % 2 ** 36) / size);
  return ((page * 7 + process * 3 + epoch * 11) % 1000) * size + (vpn % size);
}

const steps = fc.array(
  fc.record({
    what: fc.oneof(
      { weight: 20, arbitrary: fc.constant('use' as const) },
      { weight: 1, arbitrary: fc.constant('invalidate' as const) },
      { weight: 1, arbitrary: fc.constant('drop process' as const) },
      { weight: 1, arbitrary: fc.constant('drop all' as const) },
    ),
    core: fc.integer({ min: 0, max: 2 }),
    vpn: pages,
    isFetch: fc.boolean(),
    process: fc.integer({ min: 0, max: 2 }),
    pages: fc.constantFrom(1, 3, 512, 2 ** 18),
  }),
  { minLength: 1, maxLength: 250 },
);
type Step = typeof steps extends fc.Arbitrary<(infer T)[]> ? T : never;

function play(tlb: Tlb, { what, core, vpn, isFetch, process, pages }: Step): string {
  if (what === 'invalidate') return `dropped ${tlb.invalidate(process, vpn, pages)}`;
  if (what === 'drop all') return `dropped ${tlb.invalidateAll()}`;
  if (what === 'drop process') return `dropped ${tlb.invalidateProcess(process)}`;
  const frame = tlb.lookup(core, vpn, isFetch, process);
  const level = tlb.lastLevel();
  if (frame < 0) tlb.fill(core, vpn, isFetch, process, frameOf(vpn, process), levelOf(vpn));
  return `${frame} from ${level}`;
}

const artifact = (cores = 1): TlbOptions => ({ cores, tlb: resolveMachine('artifact').tlb, pageNumberBits: 36 });

describe.each([
  ['interpreted', createTlb],
  ['printed', createPrintedTlb],
])('the TLB, %s', (_, create) => {
  it('translates what it holds as the mapping says, at every page size', () => {
    fc.assert(
      fc.property(options, steps, (shape, stream) => {
        const tlb = create(shape, createRandom(1));
        for (const one of stream) {
          const step = { ...one, core: one.core % shape.cores };
          if (step.what !== 'use') {
            play(tlb, step);
            continue;
          }
          const frame = tlb.lookup(step.core, step.vpn, step.isFetch, step.process);
          const expected = frameOf(step.vpn, step.process);
          if (frame < 0) tlb.fill(step.core, step.vpn, step.isFetch, step.process, expected, levelOf(step.vpn));
          else expect(frame).toBe(expected);
          expect(tlb.lookup(step.core, step.vpn, step.isFetch, step.process)).toBe(expected);
          expect(tlb.lastLevel()).toBe(1);
        }
      }),
    );
  });

  it('answers for nothing after everything was dropped, as if every process had been', () => {
    fc.assert(
      fc.property(options, steps, steps, (shape, before, after) => {
        const [tlb, other] = [create(shape, createRandom(1)), create(shape, createRandom(1))];
        for (const stream of [before, after]) {
          for (const one of stream)
            for (const each of [tlb, other]) play(each, { ...one, core: one.core % shape.cores });
          const dropped = tlb.invalidateAll();
          expect([0, 1, 2].reduce((sum, process) => sum + other.invalidateProcess(process), 0)).toBe(dropped);
          expect(tlb.invalidateAll()).toBe(0);
          for (const { core, vpn, isFetch, process } of before)
            expect(tlb.lookup(core % shape.cores, vpn, isFetch, process)).toBe(-1);
        }
      }),
    );
  });

  it('never answers for a page that was invalidated, on any core', () => {
    fc.assert(
      fc.property(options, steps, pages, (shape, stream, victim) => {
        const tlb = create(shape, createRandom(1));
        for (const one of stream) play(tlb, { ...one, core: one.core % shape.cores });
        tlb.invalidate(0, victim, 1);
        for (let core = 0; core < shape.cores; core++) {
          expect(tlb.lookup(core, victim, false, 0)).toBe(-1);
          expect(tlb.lookup(core, victim, true, 0)).toBe(-1);
        }
      }),
    );
  });

  it('counts every look-up in the first level, and every miss there in the second', () => {
    fc.assert(
      fc.property(options, steps, (shape, stream) => {
        const tlb = create(shape, createRandom(1));
        for (const one of stream) play(tlb, { ...one, core: one.core % shape.cores });
        const { l1iHits, l1iMisses, l1dHits, l1dMisses, l2Hits, l2Misses } = tlb.counts();
        const uses = stream.filter(({ what }) => what === 'use');
        expect(l1iHits + l1iMisses).toBe(uses.filter(({ isFetch }) => isFetch).length);
        expect(l1dHits + l1dMisses).toBe(uses.filter(({ isFetch }) => !isFetch).length);
        expect(l2Hits + l2Misses).toBe(l1iMisses + l1dMisses);
      }),
    );
  });

  it('gives 13 pages of one set of its second level, cycled 100 times, 211 misses under LFU', () => {
    const tlb = create(artifact(), createRandom(1));
    for (let i = 0; i < 1300; i++) {
      const vpn = (i % 13) * 128;
      if (tlb.lookup(0, vpn, false, 0) < 0) tlb.fill(0, vpn, false, 0, vpn, 1);
    }
    expect(tlb.counts().l2Misses).toBe(211);
  });

  it('holds a huge page as one entry, and as pieces where it has no array for it', () => {
    const missesOf = (changes: object) => {
      const { tlb: levels } = resolveMachine({ tlb: changes });
      const tlb = create({ cores: 1, tlb: levels, pageNumberBits: 36 }, createRandom(1));
      for (let vpn = 512; vpn < 1024; vpn++) if (tlb.lookup(0, vpn, false, 0) < 0) tlb.fill(0, vpn, false, 0, vpn, 2);
      return tlb.counts().l2Misses;
    };
    expect(missesOf({})).toBe(1);
    expect(missesOf({ l1d: { page2m: array(0, 0) } })).toBe(1);
    expect(missesOf({ l1d: { page2m: array(0, 0) }, l2: { sharing: 'none' } })).toBe(512);
  });

  it('drops nothing of other pages for a range that reaches beyond the address space', () => {
    const tlb = create(artifact(), createRandom(1));
    tlb.fill(0, 0, false, 0, 0, 2);
    tlb.fill(0, 2 ** 36 - 1, false, 0, 5, 1);
    expect(tlb.invalidate(0, 2 ** 36 - 1, 2 ** 30)).toBe(2);
    expect(tlb.lookup(0, 0, false, 0)).toBe(0);
    expect(tlb.lookup(0, 2 ** 36 - 1, false, 0)).toBe(-1);
  });

  it('tells sign-extended pages and processes apart, and refuses more processes than fit', () => {
    const tlb = create({ ...artifact(), pageNumberBits: 45 }, createRandom(1));
    tlb.fill(0, 2 ** 52 - 1, false, 0, 5, 1);
    expect([tlb.lookup(0, 2 ** 52 - 1, false, 0), tlb.lookup(0, 2 ** 36 - 1, false, 0)]).toEqual([5, -1]);
    expect(tlb.lookup(0, 2 ** 52 - 1, false, 1)).toBe(-1);
    tlb.fill(0, 7, false, 254, 9, 1);
    expect(tlb.lookup(0, 7, false, 254)).toBe(9);
    expect(() => tlb.fill(0, 7, false, 255, 9, 1)).toThrow(/process numbers below 255, found 255/);
    create(artifact(), createRandom(1)).fill(0, 7, false, 65_535, 9, 1);
  });
});

/** Two levels of LRU lists for 4 KiB pages: the front of each list is the most recently used page. */
function naiveLru({ tlb }: TlbOptions): (step: Step) => 0 | 1 | 2 {
  const held = new Map<string, string[]>();
  const touch = (name: 'l1i' | 'l1d' | 'l2', { core, vpn, process }: Step): boolean => {
    const { entries, ways } = tlb[name].page4k;
    const id = `${name} ${core} ${vpn % (entries / ways)}`;
    const list = held.get(id) ?? [];
    const entry = `${process} ${vpn}`;
    held.set(id, [entry, ...list.filter((other) => other !== entry)].slice(0, ways));
    return list.includes(entry);
  };
  return (step) => {
    if (touch(step.isFetch ? 'l1i' : 'l1d', step)) return 1;
    return touch('l2', step) ? 2 : 0;
  };
}

describe('the printed TLB', () => {
  it('answers from the level that lists of the most recently used pages say, under LRU', () => {
    fc.assert(
      fc.property(options, steps, (shape, stream) => {
        const { tlb: levels } = shape;
        const lru = <T extends object>(level: T) => ({ ...level, policy: 'lru' as const });
        const lists = { ...shape, tlb: { l1i: lru(levels.l1i), l1d: lru(levels.l1d), l2: lru(levels.l2) } };
        const naive = naiveLru(lists);
        const printed = createPrintedTlb(lists, createRandom(1));
        for (const one of stream) {
          const step = { ...one, core: one.core % shape.cores, vpn: one.vpn % 40 };
          const frame = printed.lookup(step.core, step.vpn, step.isFetch, step.process);
          expect(printed.lastLevel()).toBe(naive(step));
          if (frame < 0) printed.fill(step.core, step.vpn, step.isFetch, step.process, 1, 1);
        }
      }),
    );
  });

  it('answers, drops and counts as the interpreted one', () => {
    fc.assert(
      fc.property(options, steps, (shape, stream) => {
        const interpreted = createTlb(shape, createRandom(1));
        const printed = createPrintedTlb(shape, createRandom(1));
        stream.forEach((one, index) => {
          const step = { ...one, core: one.core % shape.cores };
          if (index === 150) for (const tlb of [interpreted, printed]) tlb.clear();
          if (index === 200) for (const tlb of [interpreted, printed]) tlb.resetCounts();
          expect(play(printed, step)).toBe(play(interpreted, step));
        });
        expect(printed.counts()).toEqual(interpreted.counts());
      }),
      { numRuns: 200 },
    );
  });
});
