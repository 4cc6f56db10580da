import { entriesPerTable, type Frame, pagesIn, type Vpn } from '../address.ts';
import { hugePageOrder } from '../buddy.ts';
import { entryKind, entryTarget, type FrameSource, type MutablePageTable, type PageTable } from '../page-table.ts';
import { forEachNode } from './imported-space.ts';

export interface Promotion {
  /** Ranges that were one aligned block already. */
  readonly inPlace: number;
  /** Ranges that got a new block, as khugepaged's copies do. */
  readonly moved: number;
  /** Full ranges left as they are because no block was free. */
  readonly failed: number;
}

/**
 * What transparent huge pages would have made of a recorded table: every aligned 2 MiB range whose 512 pages are present becomes one leaf.
 * Ranges with holes stay, although Linux would fill them at the first fault: a recording does not show what was mapped but not touched.
 * Frames that become free are not given back to `frames`, which need not have handed them out.
 */
export function promoteHugePages(table: MutablePageTable, frames: FrameSource): Promotion {
  const ranges: { readonly vpn: Vpn; readonly firstFrame: Frame; readonly isBlock: boolean }[] = [];
  forEachNode(table, (level, _frame, vpn, node) => {
    if (level !== 1 || !isFull(table, node)) return;
    const firstFrame = entryTarget(table.entry(node, 0));
    ranges.push({ vpn, firstFrame, isBlock: isBlock(table, node, firstFrame) });
  });
  let inPlace = 0;
  let moved = 0;
  for (const { vpn, firstFrame, isBlock } of ranges) {
    const block = isBlock ? firstFrame : frames.allocateBlock(hugePageOrder);
    if (block < 0) continue;
    table.promote(vpn, block, 2);
    if (isBlock) inPlace++;
    else moved++;
  }
  return { inPlace, moved, failed: ranges.length - inPlace - moved };
}

function isFull(table: PageTable, node: number): boolean {
  for (let index = 0; index < entriesPerTable; index++) if (entryKind(table.entry(node, index)) === 0) return false;
  return true;
}

function isBlock(table: PageTable, node: number, firstFrame: Frame): boolean {
  if (firstFrame % pagesIn[2] !== 0) return false;
  for (let index = 1; index < entriesPerTable; index++)
    if (entryTarget(table.entry(node, index)) !== firstFrame + index) return false;
  return true;
}
