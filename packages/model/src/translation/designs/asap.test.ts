import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { resolveTranslationConfig } from '../config.ts';
import type { Setup } from '../design.ts';
import { explainWalk } from '../explain.ts';
import { createSimulation } from '../simulate.ts';
import { randomSpaces, singlePage } from '../spaces.case.ts';
import { blockOf } from '../traces.case.ts';
import type { Answer } from '../walk-memory.ts';
import { type AsapInstance, asap } from './asap.ts';
import type { TeaSet } from './tea.ts';
import { bareWalker, followLivingSystem, testWalker } from './walks.case.ts';

const small = { levels: 4, leaf: 1 } as const;
const none = { level5: { entries: 0 }, level4: { entries: 0 }, level3: { entries: 0 }, level2: { entries: 0 } };

function study(setup: string, machine: Record<string, unknown> = {}) {
  return resolveTranslationConfig({ setup, designs: ['asap'], machine: { cores: 1, prefetcher: 'none', ...machine } });
}

describe('ASAP', () => {
  it('finds the two lowest levels of a cold walk in the cache: 400 cycles of memory, two hits, two prefetches issued', () => {
    const { spaces, pages } = singlePage([small]);
    const config = study('native', { pageWalkCaches: none });
    const walk = explainWalk(config, spaces, { design: 'asap', vpn: pages[0]!.vpn });
    const awaited = walk.references.filter((reference) => reference.awaited);
    expect(awaited.map(({ label, where }) => `${label} ${where}`)).toEqual([
      'L4 memory',
      'L3 memory',
      'L2 l1',
      'L1 l1',
    ]);
    expect(walk.references.filter((reference) => !reference.awaited)).toHaveLength(2);
    expect(walk.cycles).toBe(200 + 200 + 4 + 4 + 2);
  });

  it('waits for a prefetch that is still under way', () => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    spaces[0]!.mmap(2 ** 24, 2 ** 24 + 2 ** 18);
    // The second page shares the way down to level 3 only, which the walk caches hold: the walk begins at level 2 at once.
    const before = [2 ** 24];
    const vpn = 2 ** 24 + 8 * 512 * 9;
    const walk = explainWalk(study('native'), spaces, { design: 'asap', vpn, before });
    const memory = walk.references.filter(({ awaited, where }) => !awaited && where === 'memory');
    expect(memory.length).toBeGreaterThan(0);
    // Issued after one or two cycles, it arrives after 200; the entry behind it is a hit.
    expect(walk.cycles).toBeGreaterThanOrEqual(201);
    expect(walk.cycles).toBeLessThanOrEqual(210);
  });

  it('prefetches in both dimensions of a VM and never loses to radix by more than its issue slots when cold', () => {
    const cyclesOf = (design: string) => {
      const { spaces, pages } = singlePage([small, small]);
      const config = resolveTranslationConfig({ setup: 'virtualized', designs: ['asap'], prefetcher: 'none' });
      return explainWalk(config, spaces, { design, vpn: pages[0]!.vpn }).cycles;
    };
    expect(cyclesOf('asap')).toBeLessThan(cyclesOf('radix'));
  });
});

/** The walk of radix, each dimension's with the prefetches that its ranges allow before it, and a clock; `answers` are what memory said. */
function createNaive(sets: readonly TeaSet[], answers: readonly Answer[], issueCycles: number) {
  let next = 0;
  let now = 0;
  let isCovered = true;
  function answered(frame: number, page: number, level: number, awaited: boolean): number {
    const answer = answers[next++]!;
    const byteOffset = (Math.floor(page / 512 ** (level - 1)) % 512) * 8;
    expect({ frame: answer.frame, byteOffset: answer.byteOffset, awaited: answer.awaited }).toEqual({
      frame,
      byteOffset,
      awaited,
    });
    return answer.cycles;
  }
  function walk(dimension: number, page: number): number {
    const set = sets[dimension];
    if (set === undefined) return page;
    const arrivals: number[] = [];
    for (const level of [1, 2]) {
      const unit = Math.floor(page / 512 ** level);
      const area = set.teas.find((one) => one.level === level && unit >= one.start && unit < one.start + one.length);
      if (area === undefined) continue;
      now += issueCycles;
      const sent = now;
      arrivals[level] = sent + answered(area.frames.hostFrame + unit - area.start, page, level, false);
    }
    const { table } = set;
    if (arrivals.length === 0 && table.leafLevel(page) < 3) isCovered = false;
    for (let level: number = table.levels; level >= table.leafLevel(page); level--) {
      const frame = walk(dimension + 1, table.frameOf(table.nodeAt(page, level)));
      now = Math.max(now + answered(frame, page, level, true), arrivals[level] ?? 0);
    }
    return walk(dimension + 1, table.translate(page));
  }
  return {
    walk: (vpn: number) => walk(0, vpn),
    now: () => now,
    isCovered: () => isCovered,
    read: () => next,
  };
}

describe.each(['native', 'virtualized'] as const)('ASAP, %s', (setup: Setup) => {
  it('reads and prefetches what a naive walker does, and takes as long', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 2, 50), fc.constantFrom(0, 1, 30), (seed, ranges, issueCycles) => {
        const { spaces, pages } = randomSpaces(setup, seed, 12);
        const options = { ranges, issueCycles };
        const walker = testWalker({ design: asap, setup, spaces, options, machine: bareWalker });
        const { sets } = walker.stage.instances[0] as AsapInstance;
        let prefetches = 0;
        let covered = 0;
        for (const { vpn, frame } of pages) {
          expect(walker.walk(vpn)).toBe(frame);
          const naive = createNaive(sets, walker.answers(), issueCycles);
          expect(naive.walk(vpn)).toBe(frame);
          expect(naive.read()).toBe(walker.answers().length);
          expect(walker.cycles()).toBe(naive.now());
          if (naive.isCovered()) covered++;
          prefetches += walker.answers().filter(({ awaited }) => !awaited).length;
        }
        expect(walker.stage.result().counters.prefetches).toBe(prefetches);
        expect(walker.stage.instances[0]!.coveredWalks!()).toBe(covered);
        for (const set of sets) expect(set.teas.length).toBeLessThanOrEqual(2 * ranges);
      }),
      { numRuns: 25 },
    );
  });

  it('prefetches all entries of the two lowest levels where it has ranges enough', () => {
    const { spaces, pages } = randomSpaces(setup, 5);
    const walker = testWalker({ design: asap, setup, spaces, options: { ranges: 100 }, machine: bareWalker });
    for (const { vpn } of pages) {
      walker.walk(vpn);
      const fetched = new Set(
        walker
          .answers()
          .filter(({ awaited }) => !awaited)
          .map(({ frame }) => frame),
      );
      for (const { label, awaited, frame } of walker.answers())
        if (awaited && / L[12]\b|^L[12]$/.test(label.split(' for ')[0]!)) expect(fetched).toContain(frame);
    }
    expect(walker.stage.result()).toMatchObject({ counters: { uncovered: 0 } });
  });

  it('follows a living system', () => {
    expect(followLivingSystem(asap, setup).stage.result().counters.prefetches).toBeGreaterThan(0);
  });

  it('prefetches in the VM’s own table only where that has ranges', () => {
    const { spaces, pages } = randomSpaces(setup, 3);
    const labels = (hostRanges: boolean) => {
      const walker = testWalker({ design: asap, setup, spaces, options: { hostRanges } });
      return new Set(
        pages.flatMap(({ vpn }) => {
          walker.walk(vpn);
          return walker.answers().map(({ label }) => label);
        }),
      );
    };
    const own = setup === 'native' ? 'prefetch' : 'guest prefetch';
    expect(labels(true).has(own)).toBe(true);
    expect(labels(false).has(own)).toBe(true);
    expect(labels(true).has('host prefetch')).toBe(setup === 'virtualized');
    expect(labels(false).has('host prefetch')).toBe(false);
  });
});

describe('what ASAP pays for', () => {
  it('loads the range registers of a process anew whenever another one walks on the core', () => {
    const config = resolveTranslationConfig({
      setup: 'native',
      designs: { asap: { minVmaMiB: 0, rangeLoadCycles: 1009, moveTableCycles: 0, flushCycles: 0 } },
      machine: { cores: 1 },
    });
    const built = createAddressSpaces([{}], createRandom(1));
    const simulation = createSimulation(config, (process) => (process === 0 ? built.spaces : built.addProcess()));
    for (let turn = 0; turn < 5; turn++)
      simulation.feed(blockOf([{ address: (0x1000 + turn) * 4096, process: turn % 2, thread: turn % 2 }]));
    const { counters, maintenanceCycles } = simulation.finish().designs.asap!;
    // Each has one range, for both of its levels.
    expect(counters.rangeLoads).toBe(5);
    expect(maintenanceCycles).toBe(5 * 1009);
  });

  it.each([0, 1])(
    'asks the host for the contiguous tables of a guest by hypercall, host memory %i fragmented',
    (unusable) => {
      const { spaces } = createAddressSpaces([{}, {}], createRandom(1));
      // An area of 2049 tables is wanted, for 4 GiB; between two pins there is room for 1022 at most.
      spaces[0]!.mmap(0x1000_0000, 0x1010_0000);
      const options = { hypercallCycles: 1009, failedCycles: 100_003, moveTableCycles: 0, flushCycles: 0 };
      const memories = [{}, { frames: 2 ** 18, unusable }];
      const walker = testWalker({ design: asap, setup: 'virtualized', spaces, options, memories });
      const frame = spaces.reduce((page: number, space) => space.ensure(page), 0x1000_0000);
      expect(walker.walk(0x1000_0000)).toBe(frame);
      const { counters, maintenanceCycles } = walker.stage.result();
      expect(counters).toMatchObject({ hypercalls: 2, allocationFailures: unusable });
      expect(maintenanceCycles).toBe(2 * 1009 + unusable * 100_003);
    },
  );
});
