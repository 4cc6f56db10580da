import { type Frame, guestPage, hexAddress, pagesIn, type Vpn } from '../address.ts';
import { createBuddy } from '../buddy.ts';
import { StrataError } from '../errors.ts';
import {
  type AddressSpace,
  type AddressSpaceObserver,
  entryKind,
  entryTarget,
  type FrameSource,
  type MutablePageTable,
  type PageTable,
  type Vma,
} from '../page-table.ts';
import { createVmaSet } from './vmas.ts';

export interface ImportedSpaceOptions {
  readonly vmas?: readonly Vma[];
  /** Map what the table lacks on demand, to frames of the source, instead of answering -1. Needs a table that can change. */
  readonly backMissing?: boolean;
}

/** An address space that is what was recorded. `frames` is the memory below it, for tables that designs add; see `framesBeside`. */
export function importedSpace(
  table: MutablePageTable,
  frames: FrameSource,
  { vmas = [], backMissing = false }: ImportedSpaceOptions = {},
): AddressSpace {
  const observers: AddressSpaceObserver[] = [];
  const listeners: (() => void)[] = [];
  function back(vpn: Vpn): Frame {
    for (const listener of listeners) listener();
    const newNodes: [number, Vpn, Frame][] = [];
    const frame = frames.allocate();
    table.map(vpn, frame, 1, (level, start) => {
      const nodeFrame = frames.allocate();
      newNodes.push([level, start, nodeFrame]);
      return nodeFrame;
    });
    for (const observer of observers) {
      for (const [level, start, nodeFrame] of newNodes) observer.nodeAllocated?.(level, start, nodeFrame);
      observer.mapped?.(vpn, frame, 1);
    }
    return frame;
  }
  return {
    table,
    vmas,
    vmaAt: createVmaSet(vmas).find,
    frames,
    ensure(vpn) {
      const frame = table.translate(vpn);
      return frame < 0 && backMissing ? back(vpn) : frame;
    },
    observe(observer) {
      observers.push(observer);
    },
    beforeChange(listener) {
      listeners.push(listener);
    },
  };
}

/** The nodes of a table, parents before children, in ascending order of address. `vpn` is the first page of the node's range. */
export function forEachNode(
  table: PageTable,
  visit: (level: number, frame: Frame, vpn: Vpn, node: number) => void,
): void {
  const visitNode = (node: number, level: number, vpn: Vpn): void => {
    visit(level, table.frameOf(node), vpn, node);
    if (level === 1) return;
    for (let index = 0; index < 512; index++) {
      const entry = table.entry(node, index);
      if (entryKind(entry) !== 1) continue;
      const child = entryTarget(entry);
      const start = vpn + index * 512 ** (level - 1);
      // In the upper half of a virtual space page numbers are sign-extended.
      const isSignExtended = level === table.levels && table.nodeAt(start, level - 1) !== child;
      visitNode(child, level - 1, isSignExtended ? start + 2 ** 52 - 512 ** level : start);
    }
  };
  visitNode(0, table.levels, 0);
}

/**
 * The memory that a recorded table leads into, as far as the table tells: frames above the highest that it uses are free.
 * @param bytes size of the memory at least; default twice what the table uses
 */
export function framesBeside(table: PageTable, owner: string, bytes = 0): FrameSource {
  let end = 0;
  forEachNode(table, (_level, frame) => {
    end = Math.max(end, frame + 1);
  });
  table.forEachLeaf((_vpn, frame, level) => {
    end = Math.max(end, frame + pagesIn[level]);
  });
  const buddy = createBuddy({
    frames: Math.min(2 ** 40, Math.max(end * 2, end + 2 ** 18, Math.ceil(bytes / 4096))),
    owner,
  });
  buddy.take(0, end);
  return buddy;
}

export interface BackingNames {
  /** File of the guest's table, for messages. */
  readonly guest: string;
  readonly host: string;
}

/**
 * Makes sure that every frame which a guest's table names, its nodes' and its pages', is mapped in the space below, so that no walk meets
 * an unmapped host page. A space that grows on demand maps them now.
 * @throws StrataError `tables.guest-page-missing-in-host` with the guest-physical address (the original simulator crashes there)
 */
export function backGuest(guest: PageTable, host: AddressSpace, names: BackingNames): void {
  forEachNode(guest, (level, frame, vpn) => {
    if (host.ensure(guestPage(frame)) < 0)
      throw missing(names, frame, `the level-${level} table of ${hexAddress(vpn)}`, names.guest);
  });
  // Dumps list 4 KiB pages in ascending order below one line of header, so a page's line is known without keeping it.
  let line = 2;
  guest.forEachLeaf((vpn, frame, level) => {
    for (let offset = 0; offset < pagesIn[level]; offset++)
      if (host.ensure(guestPage(frame + offset)) < 0)
        throw missing(
          names,
          frame + offset,
          `the page ${hexAddress(vpn + offset)}`,
          `${names.guest}, row ${line + offset - 1}`,
        );
    line += pagesIn[level];
  });
}

function missing(names: BackingNames, frame: Frame, what: string, where: string): StrataError {
  return new StrataError({
    code: 'tables.guest-page-missing-in-host',
    where,
    what: `the guest keeps ${what} at guest-physical ${hexAddress(frame)}, which ${names.host} does not map`,
    mend: 'Dump both tables at the same moment with all guest memory backed, or let missing pages be backed on demand.',
  });
}
