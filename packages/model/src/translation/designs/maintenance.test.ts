import { describe, expect, it } from 'vitest';
import { createAddressSpaces, type DemandSpace } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { dimensionsOf, type Setup } from '../design.ts';
import { designs } from './index.ts';
import { type TestWalker, testWalker } from './walks.case.ts';

/** Pages of one range of 2 MiB, each walked for before an event. */
const touched = 20;
/** 1 GiB aligned. */
const base = 0x7f0_0000;

/** So that each cost can be told from the others, and everything is kept that can be. */
const options: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  shadow: { updateCycles: 1009, fillCycles: 1_000_003 },
  agile: { updateCycles: 1009, fillCycles: 1_000_003, switchUpdates: 1_000_000 },
  fpt: { clearCycles: 1009, failedCycles: 100_003, repeatCycles: 11 },
  ecpt: { moveCycles: 1009, clearCycles: 11, initialSlots: 1024 },
  asap: { moveTableCycles: 1009, flushCycles: 100_003 },
  dmt: { minVmaMiB: 1, moveTableCycles: 1009, registerLoadCycles: 11, flushCycles: 100_003 },
  pvdmt: { minVmaMiB: 1, moveTableCycles: 1009, registerLoadCycles: 11, hypercallCycles: 100_003 },
  pomtlb: { dropCycles: 11, scanLineCycles: 1, sizeMiB: 1 },
  victima: { dropCycles: 11, costlyCycles: 0, costlyWalks: 0, frequentWalks: 0 },
};
/** POM-TLB's: every line once. */
const scanCycles = 2 ** 20 / 64;

interface Scene {
  readonly spaces: readonly DemandSpace[];
  readonly walker: TestWalker;
  /** Walks for every mapped page of the range; each must give the frame that the tables say. */
  walkAll(): void;
  /** What maintenance costs while this is done. */
  costOf(happens: () => void): number;
}

function sceneOf(name: string, setup: Setup): Scene {
  const dimensions = Array.from({ length: dimensionsOf[setup] }, () => ({ memoryBytes: 2 ** 30 }));
  const vmas = [{ start: base, end: base + 4096 }];
  const { spaces } = createAddressSpaces(
    dimensions.map((one, at) => (at === 0 ? { ...one, vmas } : { memoryBytes: 2 ** (30 + at) })),
    createRandom(1),
  );
  const walker = testWalker({ design: designs.get(name), setup, spaces, options: options[name] ?? {} });
  const mapped = (page: number) => spaces[0]!.table.leafLevel(page) > 0;
  const scene: Scene = {
    spaces,
    walker,
    walkAll() {
      for (let page = base; page < base + touched; page++)
        if (mapped(page))
          expect(walker.walk(page)).toBe(spaces.reduce((at: number, space) => space.table.translate(at), page));
    },
    costOf(happens) {
      const before = walker.stage.result().maintenanceCycles;
      happens();
      return walker.stage.result().maintenanceCycles - before;
    },
  };
  for (let page = base; page < base + touched; page++) spaces.reduce((at: number, space) => space.ensure(at), page);
  scene.walkAll();
  return scene;
}

/** What the operating system does to the process, and what each design has documented that this costs; designs not named pay nothing. */
interface Event {
  readonly what: string;
  /** Leads up to it. */
  readonly before?: (scene: Scene) => void;
  readonly happens: (scene: Scene) => void;
  readonly costs: Readonly<Record<string, number>>;
  /** It changes what lies below a process as well, so that more is paid in VMs. */
  readonly below?: boolean;
}

const self = ({ spaces }: Scene) => spaces[0]!;

const events: readonly Event[] = [
  {
    what: 'a fork takes the right to store away from every page',
    happens: (scene) => void self(scene).fork(() => {}),
    costs: { shadow: touched * 1009, agile: touched * 1009, pomtlb: touched * 11, victima: touched * 11 },
  },
  {
    what: 'a store after a fork copies its page',
    before(scene) {
      self(scene).fork(() => {});
      scene.walkAll();
    },
    happens: (scene) => self(scene).storeTo(base + 3),
    // The entry is cleared and set: two stores.
    costs: { shadow: 2 * 1009, agile: 2 * 1009, pomtlb: 11, victima: 11 },
  },
  {
    what: 'a store to a page that the child does not share any more gives the right back',
    before(scene) {
      self(scene)
        .fork(() => {})
        .exit();
      scene.walkAll();
    },
    happens: (scene) => self(scene).storeTo(base + 3),
    costs: { shadow: 1009, agile: 1009, pomtlb: 11, victima: 11 },
  },
  {
    what: 'five pages are unmapped',
    happens: (scene) => self(scene).munmap(base + 4, base + 9),
    costs: { shadow: 5 * 1009, agile: 5 * 1009, pomtlb: 5 * 11, victima: 5 * 11 },
  },
  {
    what: 'a page migrates',
    happens: (scene) => void self(scene).migrate(base + 3),
    costs: { shadow: 2 * 1009, agile: 2 * 1009, pomtlb: 11, victima: 11 },
  },
  {
    what: 'a page is faulted in where a table is',
    happens: (scene) => void self(scene).ensure(base + touched),
    costs: { shadow: 1009, agile: 1009 },
  },
  {
    what: 'khugepaged collapses the range to a huge page',
    happens: (scene) => expect(self(scene).collapseSome()).toBe(1),
    costs: {
      // The last entry takes the shadow tables with it; agile paging keeps that of the table above, where the huge page's entry traps.
      shadow: touched * 1009,
      agile: (touched + 1) * 1009,
      pomtlb: touched * 11,
      victima: touched * 11,
      fpt: 11,
      // A table of 2 MiB pages: three ways of 1024 lines.
      ecpt: 3 * 16 * 11,
      // The table of the huge page's entry is moved to its place.
      dmt: 1009,
      pvdmt: 1009,
    },
    below: true,
  },
  {
    what: 'a huge page is split',
    before(scene) {
      self(scene).collapseSome();
      scene.walkAll();
    },
    happens: (scene) => expect(self(scene).split(base)).toBe(true),
    costs: {
      // One entry of the table above is stored; the new table is not shadowed yet.
      shadow: 1009,
      agile: 1009,
      pomtlb: 11,
      victima: 11,
      fpt: 11,
      // One of the 64 lines of the new pages displaces another.
      ecpt: 1009,
    },
    below: true,
  },
];

const cases = [...designs].flatMap(({ name, setups }) => setups.map((setup) => [name, setup] as const));

for (const { what, before, happens, costs, below = false } of events)
  describe(`when ${what}`, () => {
    it.each(cases)('%s, %s: pays what it says, and walks to the right frames', (name, setup) => {
      const scene = sceneOf(name, setup);
      before?.(scene);
      let storesBelow = 0;
      const stored = () => {
        storesBelow++;
      };
      scene.spaces[1]?.observe({ mapped: stored, unmapped: stored });
      const cost = scene.costOf(() => happens(scene));
      // In a nested VM the shadowed table is L1's, which only memory newly taken for the process changes.
      const expected = name === 'shadow' && setup === 'nested' ? (below ? 0 : storesBelow * 1009) : (costs[name] ?? 0);
      // What a hypervisor shadows are the tables of the process alone.
      const isExact =
        !below || setup === 'native' || name === 'agile' || (name === 'shadow' && setup === 'virtualized');
      if (!isExact) expect(cost).toBeGreaterThanOrEqual(expected);
      else expect(cost).toBe(expected);
      scene.walkAll();
    });
  });

describe('when the hypervisor moves the memory of a page', () => {
  const costs: Readonly<Record<string, number>> = {
    // The entry is filled in again by an exit when it is missed.
    shadow: 1_000_003,
    agile: 1_000_003,
    // Nobody knows the pages that came through there.
    pomtlb: scanCycles,
    victima: touched * 11,
  };
  it.each(cases.filter(([, setup]) => setup !== 'native'))('%s, %s: pays what it says', (name, setup) => {
    const scene = sceneOf(name, setup);
    const last = scene.spaces.length - 1;
    const page = scene.spaces.slice(0, last).reduce((at: number, space) => space.table.translate(at), base + 3);
    const cost = scene.costOf(() => {
      expect(scene.spaces[last]!.migrate(page)).toBeGreaterThan(0);
      scene.walkAll();
    });
    expect(cost).toBe(costs[name] ?? 0);
  });
});

describe('when all pages of a further area are unmapped', () => {
  const others = [
    ['agile', 'virtualized'],
    ['shadow', 'virtualized'],
  ] as const;
  it.each([...cases.filter(([, setup]) => setup === 'native'), ...others])(
    '%s, %s: its tables are given back',
    (name, setup) => {
      const { spaces, walker, walkAll } = sceneOf(name, setup);
      const bytes = () =>
        walker.stage.result().tableBytes! - 4096 * spaces.slice(1).reduce((sum, { table }) => sum + table.nodes, 0);
      const before = bytes();
      const other = base + 3 * 2 ** 18;
      spaces[0]!.mmap(other, other + 4096);
      for (let page = other; page < other + 1024; page += 100) {
        const frame = spaces.reduce((at: number, space) => space.ensure(at), page);
        expect(walker.walk(page)).toBe(frame);
      }
      expect(bytes()).toBeGreaterThanOrEqual(before);
      spaces[0]!.munmap(other, other + 4096);
      expect(bytes()).toBe(before);
      walkAll();
    },
  );
});
