import { type Frame, type PageLevel, pageBytes, pagesIn } from '../../machine/address.ts';
import { integer } from '../../machine/fields.ts';
import type { AddressSpace, PageTable } from '../../machine/page-table.ts';
import { createPageTable } from '../../machine/radix-table.ts';
import { defineDesign } from '../design.ts';
import { createRadixWalker } from '../walker.ts';
import { LeavesByFrame } from './leaves-by-frame.ts';
import { walkDimensions } from './radix.ts';

const exitSource =
  'assumed: an exit and entry of 1,000 to 2,000 cycles (specs: vendor round trips), and the software that decodes and applies it';

/**
 * Shadow paging. In a VM the hypervisor keeps a table from guest-virtual pages to host frames, which the hardware walks as if natively. In a
 * nested VM, KVM's way with EPT: L0 keeps one table EPT02 from L2-physical pages to host frames, so that the hardware's two dimensions
 * suffice. Both are filled when the hardware first misses an entry, and every store of the guest to a table that is shadowed traps.
 * Falls back: never, it pays exits instead. What is assumed: `assumptions`.
 */
export const shadow = defineDesign({
  name: 'shadow',
  summary: 'the hypervisor folds the two lowest tables into one; each guest update of a folded table costs an exit',
  source: 'Adams and Agesen, ASPLOS 2006; Linux Documentation/virt/kvm/x86/mmu.rst',
  setups: ['virtualized', 'nested'],
  assumptions: [
    'Only stores of leaf entries trap; that a guest links a new table into a shadowed one above costs no exit.',
    'A switch between processes of the guest costs no exit: the hypervisor keeps every process’ shadow table and its root is at hand.',
    'Memory for shadow tables never runs out, so none is thrown away to make room.',
  ],
  spec: {
    updateCycles: integer(2500, 'cost of one store of the guest to a shadowed table', {
      unit: 'cycles',
      source: exitSource,
    }),
    fillCycles: integer(2500, 'cost of the exit that fills one missing entry of the shadow table', {
      unit: 'cycles',
      source: exitSource,
    }),
  },
  counters: {
    updates: 'stores of the guest to shadowed tables, each an exit',
    fills: 'entries of the shadow table filled on a miss, each an exit',
    drops: 'entries of the shadow table dropped because a mapping below or above them went away',
  },
  create({ updateCycles, fillCycles }, resources) {
    const { setup, spaces, count } = resources;
    /** Dimension whose pages the shadow table is indexed by; the one below it is folded in. */
    const folded = setup === 'nested' ? 1 : 0;
    const upper = spaces[folded]!;
    const lower = spaces[folded + 1]!;
    const shadowTable = createShadowTable(upper, lower, setup === 'nested' ? 'physical' : 'virtual');
    const process = spaces[0]!.table;

    const dimensions = walkDimensions(resources).slice(0, folded + 1);
    dimensions[folded] = {
      ...dimensions[folded]!,
      table: shadowTable.table,
      name: setup === 'nested' ? 'EPT02' : 'shadow',
    };
    const walker = createRadixWalker(resources, dimensions);
    /** Last-level nodes of the process table whose way from the root is in the shadow table. */
    const reached = new Set<number>();

    function fill(page: number): void {
      if (shadowTable.fill(page)) count.fills++;
    }
    function reach(vpn: number): void {
      const level = process.leafLevel(vpn) || 1;
      const last = process.nodeAt(vpn, level);
      if (!reached.has(last)) {
        for (let at = process.levels; at >= level; at--) fill(process.frameOf(process.nodeAt(vpn, at)));
        reached.add(last);
      }
      fill(process.translate(vpn));
    }
    function trap(vpn: number, level: number): void {
      if (shadowTable.table.nodeAt(vpn, level) !== -1) count.updates++;
    }
    function drop(page: number, level: PageLevel): void {
      count.drops += shadowTable.drop(page, level);
      walker.forget(folded, page, level);
      reached.clear();
    }

    return {
      walk(vpn) {
        if (folded === 0) fill(vpn);
        else reach(vpn);
        return walker.walk(vpn);
      },
      mapped(dimension, vpn, _frame, level) {
        if (dimension === folded) trap(vpn, level);
      },
      unmapped(dimension, vpn, frame, level) {
        if (dimension === folded) {
          trap(vpn, level);
          drop(vpn, level);
        } else if (dimension === folded + 1) {
          for (const leaf of shadowTable.leavesOn(frame, pagesIn[level])) drop(leaf.page, leaf.level);
        } else {
          walker.forget(dimension, vpn, level);
          reached.clear();
        }
      },
      rewritten(dimension, vpn, _frame, level) {
        if (dimension === folded) trap(vpn, level);
      },
      // A fork stores to every entry; those whose table is shadowed trap.
      writeProtected(dimension) {
        if (dimension === folded) upper.table.forEachLeaf((vpn, _frame, level) => trap(vpn, level));
      },
      tableBytes: () =>
        (spaces.slice(0, folded + 1).reduce((sum, { table }) => sum + table.nodes, 0) + shadowTable.table.nodes) *
        pageBytes,
      maintenanceCycles: () => count.updates * updateCycles + count.fills * fillCycles,
    };
  },
});

interface ShadowTable {
  readonly table: PageTable;
  /** Maps the page as both tables together do, in a leaf of the smaller of the two sizes; false when it is there already. */
  fill(page: number): boolean;
  /** Removes what lies in the page of `level` at `page`; returns the number of leaves removed. */
  drop(page: number, level: PageLevel): number;
  /** Leaves that lead into host frames `first` to `first + count - 1`, a page that the lower table maps; they are to be dropped. */
  leavesOn(first: Frame, count: number): { readonly page: number; readonly level: PageLevel }[];
}

function createShadowTable(upper: AddressSpace, lower: AddressSpace, addresses: 'virtual' | 'physical'): ShadowTable {
  const { frames } = lower;
  const table = createPageTable({ levels: upper.table.levels, rootFrame: frames.allocate(), addresses });
  const byFrame = new LeavesByFrame();
  return {
    table,
    fill(page) {
      if (table.leafLevel(page) !== 0) return false;
      const middle: number = upper.table.translate(page);
      const frame = lower.table.translate(middle);
      const level = Math.min(upper.table.leafLevel(page), lower.table.leafLevel(middle));
      if (level === 0) throw new Error(`page ${page.toString(16)} is not mapped in both tables`);
      const offset = page % pagesIn[level as PageLevel];
      table.map(page - offset, frame - offset, level as PageLevel, () => frames.allocate());
      byFrame.add(frame - offset, page - offset);
      return true;
    },
    drop(page, level) {
      let dropped = 0;
      for (let at = page; at < page + pagesIn[level]; ) {
        const removed = table.unmap(at, (_level, frame) => frames.free(frame, 0));
        if (removed !== 0) dropped++;
        at += removed === 0 ? 1 : pagesIn[removed] - (at % pagesIn[removed]);
      }
      return dropped;
    },
    // A leaf has the smaller of both sizes, so none reaches out of the lower table's.
    leavesOn: (first, count) =>
      byFrame.take(first, count).flatMap((page) => {
        const level = table.leafLevel(page);
        const frame = table.translate(page);
        if (level === 0 || page % pagesIn[level] !== 0) return [];
        return frame >= first && frame < first + count ? [{ page, level }] : [];
      }),
  };
}
