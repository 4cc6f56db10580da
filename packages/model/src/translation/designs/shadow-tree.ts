import {
  entriesPerTable,
  type Frame,
  indexAt,
  type PageLevel,
  pagesIn,
  pagesPerEntry,
  type Vpn,
} from '../../machine/address.ts';
import type { FrameSource } from '../../machine/page-table.ts';
import { LeavesByFrame } from './leaves-by-frame.ts';

interface ShadowNode {
  readonly frame: Frame;
  /** 0 = absent, 4 = a node below, else a leaf: frame * 8 + its level. */
  readonly entries: Float64Array;
  /** The nodes below by index; none below the last level. */
  readonly children: (ShadowNode | undefined)[];
}

const child = 4;

/** A shadow table whose lower parts can be cut off, because below them the hardware walks the guest's own tables. */
export class ShadowTree {
  nodes = 0;
  /** Of the page that `leafLevel` was asked for last. */
  leafFrame: Frame = 0;
  private readonly levels: number;
  private readonly frames: FrameSource;
  /** By level: address bits above the node to the node. */
  private readonly byLevel: readonly Map<number, ShadowNode>[];
  /** Each half of a canonical address space has a root of its own; the one used last. */
  private lastRoot: ShadowNode | undefined;
  private lastRootPrefix = 0;
  private readonly byFrame = new LeavesByFrame();

  constructor(levels: number, frames: FrameSource) {
    this.levels = levels;
    this.frames = frames;
    this.byLevel = Array.from({ length: levels + 1 }, () => new Map());
  }

  has(vpn: Vpn, level: number): boolean {
    return this.byLevel[level]!.has(prefixOf(vpn, level));
  }

  /** Frame of the node of that level on the way to `vpn`, made with those above it if need be. */
  nodeFrame(vpn: Vpn, level: number): Frame {
    let node = this.rootOf(vpn);
    for (let above = this.levels; node !== undefined && above > level; above--)
      node = node.children[indexAt(vpn, above)];
    return (node ?? this.ensure(vpn, level)).frame;
  }

  /** Level of the leaf that maps page `vpn`, whose frame is in `leafFrame` then; 0 when none does. */
  leafLevel(vpn: Vpn): PageLevel | 0 {
    let node = this.rootOf(vpn);
    for (let level = this.levels; node !== undefined; level--) {
      const index = indexAt(vpn, level);
      const entry = node.entries[index]!;
      if (entry === 0) return 0;
      if (entry !== child) {
        this.leafFrame = Math.floor(entry / 8) + (vpn & (pagesIn[level]! - 1));
        return level as PageLevel;
      }
      node = node.children[index];
    }
    return 0;
  }

  /** @param frame of page `vpn`; the leaf of `level` around it is mapped */
  map(vpn: Vpn, frame: Frame, level: PageLevel): void {
    if (level > 1 && this.has(vpn, level - 1)) this.cut(vpn, level - 1);
    const offset = vpn % pagesIn[level];
    this.ensure(vpn, level).entries[indexAt(vpn, level)] = (frame - offset) * 8 + level;
    this.byFrame.add(frame - offset, vpn - offset);
  }

  /** Removes all leaves in the pages `vpn` to `vpn + pages - 1`; returns how many. */
  dropRange(vpn: Vpn, pages: number): number {
    let dropped = 0;
    for (const level of [1, 2, 3] as const) {
      const nodes = this.byLevel[level]!;
      const size = coverage(level);
      const first = Math.floor(vpn / size);
      for (const prefix of prefixes(nodes, first, Math.floor((vpn + pages - 1) / size) - first + 1)) {
        const { entries } = nodes.get(prefix)!;
        const start = prefix * size;
        const end = Math.ceil((vpn + pages - start) / pagesIn[level]);
        for (
          let index = Math.max(0, Math.floor((vpn - start) / pagesIn[level]));
          index < Math.min(end, entriesPerTable);
          index++
        ) {
          if (entries[index]! % 8 !== level) continue;
          entries[index] = 0;
          dropped++;
        }
      }
    }
    return dropped;
  }

  /**
   * Removes all leaves that lead into `count` frames from `first` on, a page that the table below maps; returns how many. A leaf has the
   * smaller of the sizes of both tables, so none reaches out of that page.
   */
  dropFrames(first: Frame, count: number): number {
    let dropped = 0;
    for (const vpn of this.byFrame.take(first, count)) {
      const level = this.leafLevel(vpn);
      if (level === 0 || vpn % pagesIn[level] !== 0 || this.leafFrame < first || this.leafFrame >= first + count)
        continue;
      this.byLevel[level]!.get(prefixOf(vpn, level))!.entries[indexAt(vpn, level)] = 0;
      dropped++;
    }
    return dropped;
  }

  /** Cuts off the node of that level on the way to `vpn`, and all below it. */
  cut(vpn: Vpn, level: number): void {
    for (let below = level; below >= 1; below--) {
      const first = prefixOf(vpn - (vpn % coverage(level)), below);
      const count = coverage(level) / coverage(below);
      for (const prefix of prefixes(this.byLevel[below]!, first, count)) {
        this.frames.free(this.byLevel[below]!.get(prefix)!.frame, 0);
        this.byLevel[below]!.delete(prefix);
        this.nodes--;
      }
    }
    const above = this.byLevel[level + 1]?.get(prefixOf(vpn, level + 1));
    if (above === undefined) this.lastRoot = undefined;
    else {
      above.entries[indexAt(vpn, level + 1)] = 0;
      above.children[indexAt(vpn, level + 1)] = undefined;
    }
  }

  private rootOf(vpn: Vpn): ShadowNode | undefined {
    const prefix = prefixOf(vpn, this.levels);
    if (this.lastRoot === undefined || prefix !== this.lastRootPrefix) {
      this.lastRoot = this.byLevel[this.levels]!.get(prefix);
      this.lastRootPrefix = prefix;
    }
    return this.lastRoot;
  }

  private ensure(vpn: Vpn, level: number): ShadowNode {
    const prefix = prefixOf(vpn, level);
    const known = this.byLevel[level]!.get(prefix);
    if (known !== undefined) return known;
    const above = level < this.levels ? this.ensure(vpn, level + 1) : undefined;
    const node: ShadowNode = {
      frame: this.frames.allocate(),
      entries: new Float64Array(entriesPerTable),
      children: level > 1 ? new Array<ShadowNode | undefined>(entriesPerTable).fill(undefined) : [],
    };
    if (above !== undefined) {
      above.entries[indexAt(vpn, level + 1)] = child;
      above.children[indexAt(vpn, level + 1)] = node;
    }
    this.byLevel[level]!.set(prefix, node);
    this.nodes++;
    return node;
  }
}

/** Pages that a node of that level covers. */
function coverage(level: number): number {
  return entriesPerTable * pagesPerEntry[level]!;
}

/** What tells the nodes of a level apart: the address bits above the node's own index. */
export function prefixOf(vpn: Vpn, level: number): number {
  return Math.floor(vpn / coverage(level));
}

/** Those of `count` prefixes from `first` on that have a node. */
function prefixes(nodes: ReadonlyMap<number, ShadowNode>, first: number, count: number): number[] {
  if (count > nodes.size) return [...nodes.keys()].filter((prefix) => prefix >= first && prefix - first < count);
  return Array.from({ length: count }, (_, index) => first + index).filter((prefix) => nodes.has(prefix));
}
