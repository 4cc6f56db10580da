import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexAt, pagesIn } from '../../machine/address.ts';
import type { DemandSpace } from '../../machine/operating-system/index.ts';
import { entryKind, entryTarget, type PageTable } from '../../machine/page-table.ts';
import { resolveTranslationConfig } from '../config.ts';
import type { Design, Setup } from '../design.ts';
import { createSimulation } from '../simulate.ts';
import { blockOf } from '../traces.case.ts';
import { designs } from './index.ts';
import { bases, createWorld, memoryArbitrary, stepArbitrary } from './world.case.ts';

/** So small that nearly every access walks. */
const smallMachine = {
  cores: 2,
  tlb: {
    l1i: { page4k: { entries: 4, ways: 2 } },
    l1d: { page4k: { entries: 4, ways: 2 } },
    l2: { page4k: { entries: 6, ways: 3 } },
  },
  nestedTlb: { entries: 8, ways: 4 },
};

/** Entry by entry from the root: where a page lies according to one table. */
function naiveWalk(table: PageTable, page: number): number {
  let node = 0;
  for (let level: number = table.levels; ; level--) {
    const entry = table.entry(node, indexAt(page, level));
    if (entryKind(entry) === 0) return -1;
    if (entryKind(entry) === 2) return entryTarget(entry) + (page % pagesIn[level as 1 | 2 | 3]);
    node = entryTarget(entry);
  }
}

function describeEvents(design: Design, setup: Setup): void {
  it(`${design.name}, ${setup}: returns radix' frame for every page after random events`, () => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { minLength: 4, maxLength: 24 }),
        memoryArbitrary,
        (steps, [unusable, policies]) => {
          const world = createWorld(setup, policies, unusable);
          const simulation = createSimulation(
            resolveTranslationConfig({ setup, machine: smallMachine, engine: 'interpreted', designs: [design.name] }),
            (process) => world.processes[process]!,
          );
          for (const step of steps) {
            world.step(step);
            simulation.feed(blockOf(accessesTo(world.processes)));
          }
          simulation.feed(blockOf(accessesTo(world.processes, 1)));
          const { designs: results, trace } = simulation.finish();
          expect(trace.notMapped).toBe(0);
          expect(results[design.name]!.walks).toBe(results.radix!.walks);
          expect(results[design.name]!.maintenanceCycles).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 8 },
    );
  });
}

/** Pages of every leaf of every process, spread so that each is walked for. @param apart how far they lie apart in a huge page */
function accessesTo(processes: readonly (readonly DemandSpace[])[], apart = 217) {
  return processes.flatMap(([self], process) => {
    const accesses: { address: bigint; process: number; thread: number }[] = [];
    self!.table.forEachLeaf((vpn, _frame, level) => {
      for (let offset = 0; offset < pagesIn[level]; offset += apart) {
        const frame = naiveWalk(self!.table, vpn + offset);
        // Said by `expect` only where it is wrong: there are many pages.
        if (frame !== self!.table.translate(vpn + offset)) expect(self!.table.translate(vpn + offset)).toBe(frame);
        accesses.push({ address: BigInt(vpn + offset) << 12n, process, thread: process % 2 });
      }
    });
    return accesses;
  });
}

function describePartialUnmaps(design: Design, setup: Setup): void {
  it(`${design.name}, ${setup}: returns radix' frame for every page after parts of forced 2 MiB pages were unmapped`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2047), fc.integer({ min: 1, max: 700 })), { minLength: 1, maxLength: 5 }),
        (ranges) => {
          const world = createWorld(setup, ['2m', '2m', '2m'], 0);
          const simulation = createSimulation(
            resolveTranslationConfig({ setup, machine: smallMachine, engine: 'interpreted', designs: [design.name] }),
            (process) => world.processes[process]!,
          );
          const self = world.processes[0]![0]!;
          const start = bases[0]!;
          const everyPage = blockOf(
            Array.from({ length: 2048 }, (_, offset) => ({ address: BigInt(start + offset) << 12n, process: 0 })),
          );
          simulation.feed(everyPage);
          for (const [offset, length] of ranges) {
            self.munmap(start + offset, start + Math.min(2048, offset + length));
            simulation.feed(everyPage);
          }
          const { designs: results, trace } = simulation.finish();
          expect(trace).toMatchObject({ notMapped: 0, references: 2048 * (1 + ranges.length) });
          expect(results[design.name]!.walks).toBe(results.radix!.walks);
        },
      ),
      { numRuns: 4 },
    );
  });
}

describe('designs under events of the operating system', () => {
  for (const design of designs) for (const setup of design.setups) describePartialUnmaps(design, setup);
  for (const design of designs) for (const setup of design.setups) describeEvents(design, setup);
});
