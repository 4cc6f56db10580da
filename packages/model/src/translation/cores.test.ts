import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessKind } from '../machine/accesses.ts';
import { createAddressSpaces } from '../machine/operating-system/index.ts';
import { createRandom } from '../machine/random.ts';
import { resolveTranslationConfig } from './config.ts';
import { assignCores } from './cores.ts';
import { createSimulation } from './simulate.ts';
import { blockOf, type TestAccess } from './traces.case.ts';

const page = 0x7000;
const load = (thread: number, offset: number): TestAccess => ({ address: page + offset, thread });
const exitOf = (thread: number): TestAccess => ({ address: 0, kind: AccessKind.threadExit, thread });

/** What the accesses of `counted` hit after those of `before`, on private caches and TLBs over one last level. */
function hitsOf(cores: number, before: readonly TestAccess[], counted: readonly TestAccess[]) {
  return (['printed', 'interpreted'] as const).map((engine) => {
    const config = resolveTranslationConfig({ setup: 'native', cores, prefetcher: 'none', engine });
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const simulation = createSimulation(config, spaces);
    simulation.feed(blockOf(before));
    simulation.restartCounts();
    simulation.feed(blockOf(counted));
    const { designs, tlb, trace, walks } = simulation.finish();
    const { l1d, l2, llc } = designs.radix!.caches;
    return {
      l1d: [l1d.data.hits, l1d.data.misses],
      l2: [l2.data.hits, l2.data.misses],
      llc: [llc.data.hits, llc.data.misses],
      llcOfWalks: [llc.walk.hits, llc.walk.misses],
      tlb: [tlb.l1d.hits, tlb.l1d.misses],
      walks,
      switches: trace.contextSwitches,
      threads: trace.threads,
    };
  });
}

describe('threads on cores', () => {
  const before = [load(0, 0), load(1, 0)];
  /** Each thread reads one new line twice, in turn. */
  const turns = [load(0, 64), load(1, 64), load(0, 64), load(1, 64)];

  it.each([2, 3, 16])('meet in the last level alone where each has a core of its own: %d cores', (cores) => {
    for (const hits of hitsOf(cores, before, turns))
      expect(hits).toEqual({
        // Thread 0 goes to memory, thread 1 finds its line in the last level; the second time both have it.
        l1d: [2, 2],
        l2: [0, 2],
        llc: [1, 1],
        llcOfWalks: [0, 0],
        tlb: [4, 0],
        walks: 0,
        switches: 0,
        threads: 2,
      });
  });

  it('share everything on one core, which switches between them', () => {
    for (const hits of hitsOf(1, before, turns))
      expect(hits).toEqual({
        // Only the first of the four reads misses, once per level.
        l1d: [3, 1],
        l2: [0, 1],
        llc: [0, 1],
        llcOfWalks: [0, 0],
        tlb: [4, 0],
        walks: 0,
        // The core ran thread 1 last: 1 to 0, 0 to 1, 1 to 0, 0 to 1.
        switches: 4,
        threads: 2,
      });
  });

  it('that start late join the least loaded core, or take a free one with nothing in it', () => {
    const warm = [...before, load(0, 64)];
    // Two cores: on a tie the lowest, that of thread 0, whose TLB and first level have all it needs.
    for (const hits of hitsOf(2, warm, [load(2, 64)]))
      expect(hits).toMatchObject({ l1d: [1, 0], tlb: [1, 0], walks: 0, switches: 1, threads: 3 });
    // Three cores: nobody's. It walks through four tables that thread 0 brought into the last level, and finds its line there as well.
    for (const hits of hitsOf(3, warm, [load(2, 64)]))
      expect(hits).toMatchObject({
        l1d: [0, 1],
        l2: [0, 1],
        llc: [1, 0],
        llcOfWalks: [4, 0],
        tlb: [0, 1],
        walks: 1,
        switches: 0,
      });
  });

  it('leave their core to the next one when they end', () => {
    const warm = [...before, load(1, 64)];
    // Thread 1 ends, so its core is free while thread 0 still runs.
    for (const hits of hitsOf(2, [...warm, exitOf(1)], [load(2, 64), load(0, 64)]))
      expect(hits).toMatchObject({ l1d: [1, 1], llc: [1, 0], tlb: [2, 0], walks: 0, switches: 1, threads: 3 });
  });

  it('are where the rule says, and every change of a core is counted', () => {
    const step = fc.tuple(fc.nat(9), fc.constantFrom(true, true, true, false));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 80 }), (cores, steps) => {
        const assignment = assignCores(cores);
        const coreOf = new Map<number, number>();
        const history: number[][] = Array.from({ length: cores }, () => []);
        const seen = new Set<number>();
        for (const [thread, runs] of steps) {
          if (!runs) {
            assignment.exit(thread);
            coreOf.delete(thread);
            continue;
          }
          const loads = history.map((_, core) => [...coreOf.values()].filter((one) => one === core).length);
          const core = coreOf.get(thread) ?? loads.indexOf(Math.min(...loads));
          coreOf.set(thread, core);
          seen.add(thread);
          history[core]!.push(thread);
          expect(assignment.coreOf(thread)).toBe(core);
        }
        const changes = history.map((ran) => ran.filter((thread, at) => at > 0 && ran[at - 1] !== thread).length);
        expect(assignment.contextSwitches).toBe(changes.reduce((sum, count) => sum + count, 0));
        expect(assignment.threads).toBe(seen.size);
      }),
    );
  });
});
