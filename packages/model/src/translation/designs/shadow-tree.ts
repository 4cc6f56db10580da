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

interface ShadowNode {
  readonly frame: Frame;
  /** 0 = absent, 4 = a node below, else a leaf: frame * 8 + its level. */
  readonly entries: Float64Array;
}

const child = 4;

/** A shadow table whose lower parts can be cut off, because below them the hardware walks the guest's own tables. */
export class ShadowTree {
  nodes = 0;
  private readonly levels: number;
  private readonly frames: FrameSource;
  /** By level: address bits above the node to the node. */
  private readonly byLevel: readonly Map<number, ShadowNode>[];

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
    return this.ensure(vpn, level).frame;
  }

  /** Frame of page `vpn` and level of the leaf that maps it; undefined when none does. */
  leaf(vpn: Vpn): { readonly frame: Frame; readonly level: PageLevel } | undefined {
    for (const level of [1, 2, 3] as const) {
      const entry = this.byLevel[level]!.get(prefixOf(vpn, level))?.entries[indexAt(vpn, level)] ?? 0;
      if (entry % 8 === level) return { frame: Math.floor(entry / 8) + (vpn % pagesIn[level]), level };
    }
    return undefined;
  }

  /** @param frame of page `vpn`; the leaf of `level` around it is mapped */
  map(vpn: Vpn, frame: Frame, level: PageLevel): void {
    if (level > 1 && this.has(vpn, level - 1)) this.cut(vpn, level - 1);
    this.ensure(vpn, level).entries[indexAt(vpn, level)] = (frame - (vpn % pagesIn[level])) * 8 + level;
  }

  /** Removes all leaves in the pages `vpn` to `vpn + pages - 1`; returns how many. */
  dropRange(vpn: Vpn, pages: number): number {
    return this.dropWhere((first, _frame, level) => first < vpn + pages && first + pagesIn[level] > vpn, vpn, pages);
  }

  /** Removes all leaves that lead into `count` frames from `first` on; returns how many. */
  dropFrames(first: Frame, count: number): number {
    return this.dropWhere((_vpn, frame, level) => frame < first + count && frame + pagesIn[level] > first);
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
    if (above !== undefined) above.entries[indexAt(vpn, level + 1)] = 0;
  }

  private dropWhere(
    matches: (vpn: Vpn, frame: Frame, level: PageLevel) => boolean,
    from = 0,
    pages = Number.POSITIVE_INFINITY,
  ): number {
    let dropped = 0;
    for (const level of [1, 2, 3] as const) {
      const nodes = this.byLevel[level]!;
      const size = coverage(level);
      for (const prefix of prefixes(
        nodes,
        Math.floor(from / size),
        Math.floor((from + pages - 1) / size) - Math.floor(from / size) + 1,
      )) {
        const { entries } = nodes.get(prefix)!;
        for (let index = 0; index < entriesPerTable; index++) {
          const entry = entries[index]!;
          if (entry % 8 !== level) continue;
          if (!matches(prefix * size + index * pagesIn[level], Math.floor(entry / 8), level)) continue;
          entries[index] = 0;
          dropped++;
        }
      }
    }
    return dropped;
  }

  private ensure(vpn: Vpn, level: number): ShadowNode {
    const prefix = prefixOf(vpn, level);
    const known = this.byLevel[level]!.get(prefix);
    if (known !== undefined) return known;
    if (level < this.levels) this.ensure(vpn, level + 1).entries[indexAt(vpn, level + 1)] = child;
    const node = { frame: this.frames.allocate(), entries: new Float64Array(entriesPerTable) };
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
