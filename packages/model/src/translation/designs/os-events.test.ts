import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexAt, pagesIn } from '../../machine/address.ts';
import {
  createAddressSpaces,
  type DemandSpace,
  type DimensionOptions,
  type PagePolicy,
} from '../../machine/operating-system/index.ts';
import { entryKind, entryTarget, type PageTable } from '../../machine/page-table.ts';
import { createRandom } from '../../machine/random.ts';
import { resolveTranslationConfig } from '../config.ts';
import { type Design, dimensionsOf, type Setup } from '../design.ts';
import { createSimulation } from '../simulate.ts';
import { blockOf } from '../traces.case.ts';
import { designs } from './index.ts';

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

/** VMAs of 8 MiB, 2 MiB aligned, at the bottom, in the middle and at the top of the lower half. */
const bases = [0x400, 0x7f12_34400, 0x7_ffff_f000 - 0x800];
const vmas = bases.map((start) => ({ start, end: start + 2048 }));

interface Step {
  readonly what: 'touch' | 'munmap' | 'migrate' | 'split' | 'scan' | 'fork' | 'store';
  readonly process: number;
  readonly dimension: number;
  readonly page: number;
  readonly length: number;
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('touch', 'touch', 'munmap', 'migrate', 'split', 'scan', 'fork', 'store', 'store'),
  process: fc.nat(3),
  dimension: fc.nat(2),
  page: fc.tuple(fc.nat(bases.length - 1), fc.nat(2047)).map(([base, offset]) => bases[base]! + offset),
  length: fc.integer({ min: 1, max: 900 }),
});

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

/** The processes of a test: the first one, and those that were forked. */
function createWorld(setup: Setup, policies: readonly PagePolicy[], unusable: number) {
  const options = policies.slice(0, dimensionsOf[setup]).map(
    (pages): DimensionOptions => ({
      pages,
      unusable,
      memoryBytes: 2 ** 29,
      khugepaged: { faultsPerScan: 64, pagesPerScan: 4096 },
    }),
  );
  const { spaces } = createAddressSpaces(
    options.map((one, dimension) =>
      dimension === 0 ? { ...one, vmas } : { ...one, memoryBytes: 2 ** (29 + dimension) },
    ),
    createRandom(1),
  );
  const processes: (readonly DemandSpace[])[] = [spaces];
  return {
    processes,
    step({ what, process, dimension, page, length }: Step): void {
      const list = processes[process % processes.length]!;
      const self = list[0]!;
      const at = dimension % list.length;
      let target: number = page;
      for (let above = 0; above < at; above++) target = target < 0 ? -1 : list[above]!.table.translate(target);
      if (what === 'touch') for (let next = page; next < page + length; next += 7) self.ensure(next);
      else if (what === 'munmap') self.munmap(page, page + length);
      else if (what === 'store') {
        self.ensure(page);
        self.storeTo(page);
      } else if (what === 'fork' && processes.length < 4) processes.push([self.fork(() => {}), ...list.slice(1)]);
      else if (target >= 0 && what === 'migrate') list[at]!.migrate(target);
      else if (target >= 0 && what === 'split') list[at]!.split(target);
      else if (what === 'scan') list[at]!.collapseSome();
    },
  };
}

/** Pages of 2 MiB throughout are for memory that has blocks: they have no fall-back. */
const policyArbitrary = (unusable: number) =>
  fc.constantFrom<PagePolicy>('4k', 'thp', 'khugepaged', unusable > 0 ? 'thp' : '2m');
const memoryArbitrary = fc
  .constantFrom(0, 0.9)
  .chain((unusable) =>
    fc.tuple(
      fc.constant(unusable),
      fc.tuple(policyArbitrary(unusable), policyArbitrary(unusable), policyArbitrary(unusable)),
    ),
  );

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

/** A few pages of every leaf of every process, spread so that each is walked for. */
function accessesTo(processes: readonly (readonly DemandSpace[])[]) {
  return processes.flatMap(([self], process) => {
    const accesses: { address: bigint; process: number; thread: number }[] = [];
    self!.table.forEachLeaf((vpn, _frame, level) => {
      for (const offset of level === 1 ? [0] : [0, 77, 511]) {
        expect(naiveWalk(self!.table, vpn + offset)).toBe(self!.table.translate(vpn + offset));
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
