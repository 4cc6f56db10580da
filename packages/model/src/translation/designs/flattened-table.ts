import { entriesPerPage, type Frame, type PageLevel, pageBytes, type Vpn } from '../../machine/address.ts';
import { hugePageOrder } from '../../machine/buddy.ts';
import type { FrameSource } from '../../machine/page-table.ts';
import type { OwnTable } from './own-tables.ts';

/** A node that covers the levels `top` to `bottom`: one level in 4 KiB, or two in an aligned 2 MiB block of 2^18 entries. */
export interface FlatNode {
  readonly top: number;
  readonly bottom: number;
  readonly frame: Frame;
  /** Meant to be flattened, but there was no 2 MiB block. */
  readonly isFallback: boolean;
  /** Children and leaves; a leaf repeated in many slots counts once. */
  used: number;
  /** Where its entry stands: number of the node above and slot; the root's is nowhere. */
  readonly parent: number;
  readonly slot: number;
  /** 512 slots each, made when first written. */
  readonly chunks: (Float64Array | undefined)[];
}

/** An entry is a number: 0 = absent, `node * 8 + 4` = child node, `frame * 8 + level` = leaf of that level. */
export const childMark = 4;

const flattenedSlots = 2 ** 18;
const chunkSlots = 512;

/** Two adjacent levels that share nodes, by the upper one. */
export type FlattenedTops = readonly number[];

/** Page tables of which some pairs of adjacent levels are merged into nodes of 2 MiB, where memory has them. */
export class FlattenedTable implements OwnTable {
  /** 2 MiB nodes that could not be had; 4 KiB nodes took their place. */
  fallbacks = 0;
  /** 2 MiB nodes made. */
  flattened = 0;
  /** Leaves written to, or removed from, all of the slots that they cover. */
  repeats = 0;
  private readonly frames: FrameSource;
  private readonly tops: FlattenedTops;
  private readonly nodes: (FlatNode | undefined)[] = [];
  private readonly unused: number[] = [];
  /** Nodes that may have lost their last entry. */
  private emptied: number[] = [];
  private bytes = 0;

  constructor(levels: number, tops: FlattenedTops, frames: FrameSource) {
    this.tops = tops;
    this.frames = frames;
    this.newNode(levels, -1, 0);
  }

  get tableBytes(): number {
    return this.bytes;
  }

  /** Node 0 is the root. */
  node(number: number): FlatNode {
    return this.nodes[number]!;
  }

  entry(node: FlatNode, slot: number): number {
    return node.chunks[slot >>> 9]?.[slot & (chunkSlots - 1)] ?? 0;
  }

  map(vpn: Vpn, frame: Frame, level: PageLevel): void {
    let number = 0;
    let node = this.node(0);
    while (node.bottom > level) {
      const slot = slotOf(node, vpn);
      let entry = this.entry(node, slot);
      if (entry === 0) {
        entry = this.newNode(node.bottom - 1, number, slot) * 8 + childMark;
        this.write(node, slot, 1, entry);
        node.used++;
      }
      number = Math.floor(entry / 8);
      node = this.node(number);
    }
    if (this.entry(node, slotOf(node, vpn)) === 0) node.used++;
    this.write(node, slotOf(node, vpn), slotsOfLeaf(node, level), frame * 8 + level);
  }

  unmap(vpn: Vpn, level: PageLevel): void {
    let number = 0;
    let node = this.node(0);
    for (;;) {
      const entry = this.entry(node, slotOf(node, vpn));
      if (entry === 0) return;
      if (entry % 8 !== childMark) break;
      number = Math.floor(entry / 8);
      node = this.node(number);
    }
    this.write(node, slotOf(node, vpn), slotsOfLeaf(node, level), 0);
    if (--node.used === 0) this.emptied.push(number);
  }

  /**
   * Gives nodes without entries back. Apart from `unmap`, because a page that is moved, split or collapsed is unmapped and mapped again, and
   * its node does not go away between.
   */
  settle(): void {
    for (const number of this.emptied) if (this.nodes[number]?.used === 0) this.release(number);
    this.emptied = [];
  }

  private newNode(top: number, parent: number, slot: number): number {
    const wanted = this.tops.includes(top);
    const block = wanted ? this.frames.allocateBlock(hugePageOrder) : -1;
    const flattened = block >= 0;
    if (wanted && !flattened) this.fallbacks++;
    if (flattened) this.flattened++;
    const number = this.unused.pop() ?? this.nodes.length;
    this.nodes[number] = {
      top,
      bottom: flattened ? top - 1 : top,
      frame: flattened ? block : this.frames.allocate(),
      isFallback: wanted && !flattened,
      used: 0,
      parent,
      slot,
      chunks: [],
    };
    this.bytes += flattened ? flattenedSlots * 8 : pageBytes;
    return number;
  }

  /** Gives an empty node back, and those above it that become empty; the root stays. */
  private release(number: number): void {
    if (number === 0) return;
    const { top, bottom, frame, parent, slot } = this.node(number);
    this.frames.free(frame, top === bottom ? 0 : hugePageOrder);
    this.bytes -= top === bottom ? pageBytes : flattenedSlots * 8;
    this.nodes[number] = undefined;
    this.unused.push(number);
    const above = this.node(parent);
    this.write(above, slot, 1, 0);
    if (--above.used === 0) this.release(parent);
  }

  /** @param count 1, or a whole chunk */
  private write(node: FlatNode, slot: number, count: 1 | 512, entry: number): void {
    if (count > 1) this.repeats++;
    let chunk = node.chunks[slot >>> 9];
    if (chunk === undefined) {
      chunk = new Float64Array(chunkSlots);
      node.chunks[slot >>> 9] = chunk;
    }
    if (count === 1) chunk[slot & (chunkSlots - 1)] = entry;
    else chunk.fill(entry);
  }
}

/** Slot for a page in a node on the way to it. */
export function slotOf(node: FlatNode, vpn: Vpn): number {
  const mask = node.top === node.bottom ? chunkSlots - 1 : flattenedSlots - 1;
  return (vpn * entriesPerPage[node.bottom]!) & mask;
}

/** A leaf of the upper of two merged levels stands in every slot of the lower one that it covers, so that one look-up finds it. */
function slotsOfLeaf(node: FlatNode, level: PageLevel): 1 | 512 {
  return level === node.bottom ? 1 : chunkSlots;
}
