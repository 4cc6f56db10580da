import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageLevel } from '../machine/address.ts';
import { importedSpace } from '../machine/operating-system/index.ts';
import type { AddressSpace, FrameSource } from '../machine/page-table.ts';
import { createPageTable } from '../machine/radix-table.ts';
import { createRandom } from '../machine/random.ts';
import type { Geometry } from '../machine/tag-store.ts';
import { resolveTranslationConfig } from './config.ts';
import type { Setup } from './design.ts';
import { createDesignStage } from './design-stage.ts';
import { radix } from './designs/radix.ts';
import { explainWalk } from './explain.ts';
import { createMachineParts } from './machine-parts.ts';
import { randomSpaces, singlePage } from './spaces.case.ts';
import { RecordingMemory } from './walk-memory.ts';

const setupOf: readonly Setup[] = ['native', 'virtualized', 'nested'];

const noCaches = { level5: { entries: 0 }, level4: { entries: 0 }, level3: { entries: 0 }, level2: { entries: 0 } };
const bareWalker = { pageWalkCaches: noCaches, hostPageWalkCaches: noCaches, prefetcher: 'none', cores: 1 };

/** References of one cold walk without walk caches, over tables of that many levels with leaves of that size. */
function coldReferences(dimensions: readonly { levels: 4 | 5; leaf: PageLevel }[], design = 'radix'): number {
  const setup = setupOf[dimensions.length - 1]!;
  const { spaces, pages } = singlePage(dimensions);
  const config = resolveTranslationConfig({ setup, designs: [design], machine: bareWalker });
  return explainWalk(config, spaces, { design, vpn: pages[0]!.vpn }).references.length;
}

const small = { levels: 4, leaf: 1 } as const;
const small5 = { levels: 5, leaf: 1 } as const;
const large = { levels: 4, leaf: 2 } as const;
const giant = { levels: 4, leaf: 3 } as const;

describe('a cold radix walk', () => {
  it.each([
    ['4 levels', [small], 4],
    ['5 levels', [small5], 5],
    ['2 MiB page', [large], 3],
    ['1 GiB page', [giant], 2],
    ['4 on 4', [small, small], 24],
    ['5 on 5', [small5, small5], 35],
    ['4 on 5', [small, small5], 29],
    ['5 on 4', [small5, small], 29],
    ['2 MiB on 2 MiB', [large, large], 15],
    ['2 MiB on 4 KiB', [large, small], 19],
    ['4 KiB on 2 MiB', [small, large], 19],
    ['1 GiB on 1 GiB', [giant, giant], 8],
    ['three dimensions of 4', [small, small, small], 124],
  ] as const)('of %s takes as many references as the closed form says', (_name, dimensions, references) => {
    expect(coldReferences(dimensions)).toBe(references);
    const closedForm = dimensions.reduceRight((below, { levels, leaf }) => (levels - leaf + 2) * (below + 1) - 1, 0);
    expect(references).toBe(closedForm);
  });

  it('is one dimension shorter under shadow paging: 4 virtualized, 24 nested', () => {
    expect(coldReferences([small, small], 'shadow')).toBe(4);
    expect(coldReferences([small, small, small], 'shadow')).toBe(24);
  });
});

/** Hands out the frames of a worked example in the order in which the tables are linked. */
function frames(list: readonly bigint[]): () => number {
  let next = 0;
  return () => Number(list[next++]! >> 12n);
}

const noFrames: FrameSource = {
  allocate: () => 0,
  allocateBlock: () => -1,
  allocateRange: () => -1,
  free: () => {},
};

/** The worked example of 24 cold references: guest tables far apart, so that no host walk meets what another one read. */
function workedExample(): AddressSpace[] {
  const guestFrames = [0x0800_0000_0000n, 0x1000_0000_0000n, 0x1800_0000_0000n, 0x2000_0000_0000n, 0x2800_0000_0000n];
  const [root, ...lower] = guestFrames.map((address) => Number(address >> 12n)) as [number, ...number[]];
  const guest = createPageTable({ levels: 4, rootFrame: root });
  let node = 0;
  guest.map(0x7f123_4567, lower[3]!, 1, () => lower[node++]!);
  const host = createPageTable({ levels: 4, rootFrame: 0x10003, addresses: 'physical' });
  const tables = frames(
    [
      [0x10006000n, 0x10009000n, 0x1000c000n],
      [0x1000f000n, 0x10012000n, 0x10015000n],
      [0x10018000n, 0x1001b000n, 0x1001e000n],
      [0x10021000n, 0x10024000n, 0x10027000n],
      [0x1002a000n, 0x1002d000n, 0x10030000n],
    ].flat(),
  );
  const data = frames([0x4000000000n, 0x4001003000n, 0x4002006000n, 0x4003009000n, 0x400400c000n]);
  for (const page of [root, ...lower]) host.map(page, data(), 1, tables);
  return [importedSpace(guest, noFrames), importedSpace(host, noFrames)];
}

describe('the worked examples', () => {
  it('C1: 24 references, all from memory, 4800 cycles', () => {
    const config = resolveTranslationConfig({ setup: 'virtualized', prefetcher: 'none' });
    const walk = explainWalk(config, workedExample(), { design: 'radix', vpn: 0x7f123_4567, offset: 0x120 });
    expect(walk.references.map(({ where }) => where)).toEqual(new Array(24).fill('memory'));
    expect(walk.cycles).toBe(4800);
    expect(walk.physicalAddress).toBe('0x400400c120');
    expect(walk.references.map(({ label }) => label)).toEqual([
      ...[4, 3, 2, 1].flatMap((level) => [
        ...[4, 3, 2, 1].map((host) => `host L${host} for guest L${level}`),
        `guest L${level}`,
      ]),
      ...[4, 3, 2, 1].map((host) => `host L${host} for data`),
    ]);
    expect(walk.references[0]).toMatchObject({ dimension: 1, level: 4, table: '0x10003000', target: '0x10006000' });
    expect(walk.references[4]).toMatchObject({
      dimension: 0,
      level: 4,
      table: '0x80000000000',
      address: '0x40000007f0',
      target: '0x100000000000',
    });
  });

  it('C2: 4 references natively, all from memory, 800 cycles', () => {
    const { spaces, pages } = singlePage([small]);
    const config = resolveTranslationConfig({ setup: 'native', prefetcher: 'none' });
    const walk = explainWalk(config, spaces, { design: 'radix', vpn: pages[0]!.vpn });
    expect(walk.references.map(({ where }) => where)).toEqual(['memory', 'memory', 'memory', 'memory']);
    expect(walk.cycles).toBe(800);
  });
});

/** Lists of keys, most recently used first, one per set: LRU as a textbook has it. */
class NaiveCache {
  private readonly sets = new Map<number, { key: number; payload: number }[]>();
  private readonly shape: Geometry;
  constructor(shape: Geometry) {
    this.shape = shape;
  }
  private set(key: number) {
    const index = key % this.shape.sets;
    if (!this.sets.has(index)) this.sets.set(index, []);
    return this.sets.get(index)!;
  }
  get(key: number): number | undefined {
    const set = this.set(key);
    const at = set.findIndex((entry) => entry.key === key);
    if (at < 0) return undefined;
    set.unshift(...set.splice(at, 1));
    return set[0]!.payload;
  }
  put(key: number, payload: number): void {
    const set = this.set(key);
    set.unshift({ key, payload });
    set.length = Math.min(set.length, this.shape.ways);
  }
}

/**
 * A walker that follows addresses, not nodes: memory is a map from the physical address of an entry to what it holds, in each space. The
 * host addresses read are collected in order.
 */
function naiveWalker(spaces: readonly AddressSpace[], walkCaches: (Geometry | undefined)[], nestedTlb: Geometry) {
  const memories = spaces.map(({ table }) => {
    const memory = new Map<number, { target: number; leaf: boolean }>();
    table.forEachLeaf((vpn, frame, level) => {
      let at = table.frameOf(0) as number;
      for (let depth: number = table.levels; depth >= level; depth--) {
        const address = at * 4096 + 8 * (Math.floor(vpn / 512 ** (depth - 1)) % 512);
        const target = depth === level ? frame : table.frameOf(table.nodeAt(vpn, depth - 1));
        memory.set(address, { target, leaf: depth === level });
        at = target;
      }
    });
    return memory;
  });
  const caches = spaces.map(() => walkCaches.map((shape) => shape && new NaiveCache(shape)));
  const nested = spaces.map(() => new NaiveCache(nestedTlb));
  const read: number[] = [];

  function toHost(dimension: number, frame: number): number {
    if (dimension === spaces.length) return frame;
    const known = nested[dimension]!.get(frame);
    if (known !== undefined) return known;
    const found = walk(dimension, frame);
    nested[dimension]!.put(frame, found);
    return found;
  }

  function walk(dimension: number, page: number): number {
    const { levels } = spaces[dimension]!.table;
    let level: number = levels;
    let at = spaces[dimension]!.table.frameOf(0) as number;
    for (let cached = 2; cached <= levels; cached++) {
      const next = caches[dimension]![cached]?.get(Math.floor(page / 512 ** (cached - 1)));
      if (next === undefined) continue;
      at = next;
      level = cached - 1;
      break;
    }
    for (;;) {
      const offset = 8 * (Math.floor(page / 512 ** (level - 1)) % 512);
      read.push(toHost(dimension + 1, at) * 4096 + offset);
      const { target, leaf } = memories[dimension]!.get(at * 4096 + offset)!;
      if (leaf) return toHost(dimension + 1, target + (page % 512 ** (level - 1)));
      caches[dimension]![level]?.put(Math.floor(page / 512 ** (level - 1)), target);
      at = target;
      level--;
    }
  }
  return { walk: (vpn: number) => walk(0, vpn), read };
}

describe('the radix walker', () => {
  it('reads the same addresses in the same order as a naive walker, with walk caches and a nested TLB', () => {
    const shape = { entries: 4, ways: 2 };
    const walkCaches = { level5: shape, level4: shape, level3: shape, level2: shape };
    const config = resolveTranslationConfig({
      machine: {
        cores: 1,
        pageWalkCaches: walkCaches,
        hostPageWalkCaches: walkCaches,
        nestedTlb: { entries: 6, ways: 2 },
      },
    });
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...setupOf), (seed, setup) => {
        const { spaces, pages } = randomSpaces(setup, seed, 12);
        const machine = createMachineParts(config, spaces[0]!.table.levels);
        const caches = machine.createCaches();
        const memory = new RecordingMemory(caches, caches.latencyCycles);
        const stage = createDesignStage(
          { setup, cores: 1, walkerMachine: machine.walkerMachine },
          {
            design: radix,
            options: { walkCachePointers: 'guest-physical' },
            caches,
            memory,
            createStore: machine.createStores(),
          },
        );
        stage.addProcess(spaces);
        const set = { sets: 2, ways: 2, policy: 'lru' };
        const naive = naiveWalker(spaces, [undefined, undefined, set, set, set, set], { ...set, sets: 3 });
        const random = createRandom(seed);
        for (let walk = 0; walk < 60; walk++) {
          const { vpn, frame } = pages[random.below(pages.length)]!;
          memory.begin(0);
          expect(stage.instances[0]!.walk(vpn)).toBe(frame);
          expect(naive.walk(vpn)).toBe(frame);
        }
        expect(memory.answers.map((answer) => answer.frame * 4096 + answer.byteOffset)).toEqual(naive.read);
      }),
      { numRuns: 40 },
    );
  });

  it('leaves one reference natively when the last-level walk cache has the page’s table', () => {
    const { spaces, pages } = singlePage([small]);
    const { vpn } = pages[0]!;
    const config = resolveTranslationConfig({ setup: 'native' });
    expect(explainWalk(config, spaces, { design: 'radix', vpn, before: [vpn] }).references).toHaveLength(1);
  });

  it('saves the host walk for the next guest table where walk caches hold host-physical pointers', () => {
    const { spaces, pages } = singlePage([small, small]);
    const { vpn } = pages[0]!;
    const references = (walkCachePointers: string) => {
      const machine = { ...bareWalker, pageWalkCaches: {} };
      const config = resolveTranslationConfig({
        setup: 'virtualized',
        designs: { radix: { walkCachePointers } },
        machine,
      });
      return explainWalk(config, spaces, { design: 'radix', vpn, before: [vpn] }).references.length;
    };
    expect(references('guest-physical')).toBe(4 + 1 + 4);
    expect(references('host-physical')).toBe(1 + 4);
  });

  it('keeps the levels apart in a unified walk cache', () => {
    const unified = { organisation: 'unified', unified: { entries: 16, ways: 16 } };
    const { spaces, pages } = randomSpaces('virtualized', 3);
    const config = resolveTranslationConfig({ machine: { pageWalkCaches: unified, hostPageWalkCaches: unified } });
    const machine = createMachineParts(config, spaces[0]!.table.levels);
    const stage = createDesignStage(
      { setup: 'virtualized', cores: 1, walkerMachine: machine.walkerMachine },
      {
        design: radix,
        options: { walkCachePointers: 'guest-physical' },
        caches: machine.createCaches(),
        createStore: machine.createStores(),
      },
    );
    stage.addProcess(spaces);
    for (let round = 0; round < 3; round++)
      for (const { vpn, frame } of pages) expect(stage.instances[0]!.walk(vpn)).toBe(frame);
    expect(Object.keys(stage.result().walkCaches).sort()).toEqual(['guest unified', 'host unified']);
  });
});
