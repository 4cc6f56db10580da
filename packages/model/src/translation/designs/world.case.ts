import fc from 'fast-check';
import { guestPage } from '../../machine/address.ts';
import {
  createAddressSpaces,
  type DemandSpace,
  type DimensionOptions,
  type PagePolicy,
} from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { dimensionsOf, type Setup } from '../design.ts';

/** VMAs of 8 MiB, 2 MiB aligned, at the bottom, in the middle and at the top of the lower half. */
export const bases = [0x400, 0x7f12_34400, 0x7_ffff_f000 - 0x800];
const vmas = bases.map((start) => ({ start, end: start + 2048 }));

export interface Step {
  readonly what: 'touch' | 'munmap' | 'reclaim' | 'migrate' | 'split' | 'scan' | 'fork' | 'store' | 'exit';
  readonly process: number;
  readonly dimension: number;
  readonly page: number;
  readonly length: number;
}

export const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom(
    ...(['touch', 'touch', 'munmap', 'reclaim', 'migrate', 'split', 'scan', 'fork', 'store', 'store', 'exit'] as const),
  ),
  process: fc.nat(3),
  dimension: fc.nat(2),
  page: fc.tuple(fc.nat(bases.length - 1), fc.nat(2047)).map(([base, offset]) => bases[base]! + offset),
  length: fc.integer({ min: 1, max: 900 }),
});

/** The processes of a test: the first one, and those that were forked. */
export function createWorld(setup: Setup, policies: readonly PagePolicy[], unusable: number) {
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
  const ended = new Set<readonly DemandSpace[]>();
  const living = () => processes.filter((one) => !ended.has(one));
  return {
    /** By their numbers; those that have ended map nothing. */
    processes,
    step({ what, process, dimension, page, length }: Step): void {
      const list = living()[process % living().length]!;
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
      else if (what === 'exit' && living().length > 1) {
        self.exit();
        ended.add(list);
      } else if (what === 'scan') list[at]!.collapseSome();
      else if (target >= 0 && what === 'migrate') list[at]!.migrate(target);
      else if (target >= 0 && what === 'split') list[at]!.split(target);
      else if (target >= 0 && at > 0 && what === 'reclaim') {
        list[at]!.munmap(target, target + length);
        for (const one of processes) backTables(one);
      }
    },
  };
}

/** Only frames of data may stay without a mapping until they are accessed: the model maps what holds a guest's table when it is handed out. */
function backTables(spaces: readonly DemandSpace[]): void {
  for (const [dimension, { table }] of spaces.slice(0, -1).entries()) {
    const nodes = new Set<number>([0]);
    table.forEachLeaf((vpn, _frame, leafLevel) => {
      for (let level = table.levels; level >= leafLevel; level--) nodes.add(table.nodeAt(vpn, level));
    });
    for (const node of nodes) {
      let frame = table.frameOf(node);
      for (const below of spaces.slice(dimension + 1)) frame = below.ensure(guestPage(frame));
    }
  }
}

/** Pages of 2 MiB throughout are for memory that has blocks: they have no fall-back. */
const policyArbitrary = (unusable: number) =>
  fc.constantFrom<PagePolicy>('4k', 'thp', 'khugepaged', unusable > 0 ? 'thp' : '2m');
export const memoryArbitrary = fc
  .constantFrom(0, 0.9)
  .chain((unusable) =>
    fc.tuple(
      fc.constant(unusable),
      fc.tuple(policyArbitrary(unusable), policyArbitrary(unusable), policyArbitrary(unusable)),
    ),
  );
