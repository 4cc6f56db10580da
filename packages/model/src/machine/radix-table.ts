import {
  entriesPerTable,
  type Frame,
  frameLimit,
  hexAddress,
  indexBits,
  type PageLevel,
  pagesIn,
  type Vpn,
} from './address.ts';
import { StrataError } from './errors.ts';
import type { MutablePageTable } from './page-table.ts';

/** 128 KiB of entries per segment: growth never copies entries, but in the first, which begins small: tables come by the thousand. */
const segmentShift = 6;
const nodesPerSegment = 1 << segmentShift;
const firstNodes = 4;
/** Page numbers are split into two integers of at most 27 bits, so that index arithmetic stays in 32 bits. */
const lowBits = 27;
const lowLimit = 2 ** lowBits;
const vpnLimit = 2 ** 52;
/** Bits of a page number that a leaf of a level leaves to the offset. */
const offsetMask: readonly number[] = [0, 0, 511, 262_143];

export interface PageTableOptions {
  readonly levels: 4 | 5;
  /** Frame of the root node. */
  readonly rootFrame: Frame;
  /**
   * What the table is indexed by. `virtual` (the default): canonical addresses, whose upper half is sign-extended. `physical`: a VM's
   * guest-physical addresses (EPT, NPT), which use all index bits.
   */
  readonly addresses?: 'virtual' | 'physical';
  /** Nodes that `unmap` leaves empty stay, as those of Linux's DMA mappings do. The default frees them. */
  readonly keepsEmptyNodes?: boolean;
}

/**
 * An empty table. Costs 4 bytes per entry of the nodes in use, 8 where frames beyond 2^31 are (8 TiB); looking up allocates nothing.
 */
export function createPageTable(options: PageTableOptions): MutablePageTable {
  return new RadixTable(options);
}

/** The largest cell that a narrow segment holds; node numbers are smaller. */
const narrowLimit = 2 ** 31 - 1;

/**
 * Entries are cells of one array per segment: 0 = absent, n > 0 = leaf of frame n - 1, n < 0 = child node -n. A sign test replaces the
 * division that decoding `PageTable.entry` takes. A segment is narrow until it has to hold a frame that needs more than 31 bits.
 */
class RadixTable implements MutablePageTable {
  readonly levels: 4 | 5;
  mappedPages = 0;
  nodes = 0;

  private readonly segments: (Int32Array | Float64Array)[] = [];
  private nodeFrames = new Float64Array(nodesPerSegment);
  /** Entries present per node. */
  private present = new Uint16Array(nodesPerSegment);
  private readonly freeNodes: number[] = [];
  private nextNode = 0;

  /** Page numbers from `holeStart` up to `holeEnd` are no addresses of this table. */
  private readonly holeStart: number;
  private readonly holeEnd: number;

  /** Where the last `seek` stopped: the node, its level, the cell of the sought page in it. */
  private atNode = 0;
  private atLevel = 0;
  private atCell = 0;
  /** Frames for the nodes that `map` is about to link, deepest last: obtained first, so that running out of memory changes nothing. */
  private readonly framesToLink = new Float64Array(5);

  private readonly keepsEmptyNodes: boolean;

  constructor({ levels, rootFrame, addresses = 'virtual', keepsEmptyNodes = false }: PageTableOptions) {
    this.levels = levels;
    this.keepsEmptyNodes = keepsEmptyNodes;
    const indexed = 2 ** (indexBits * levels);
    this.holeStart = addresses === 'virtual' ? indexed / 2 : indexed;
    this.holeEnd = addresses === 'virtual' ? vpnLimit - indexed / 2 : Number.POSITIVE_INFINITY;
    this.newNode(rootFrame);
  }

  frameOf(node: number): Frame {
    return this.nodeFrames[node]!;
  }

  entry(node: number, index: number): number {
    const cell = this.cell(node, index);
    if (cell < 0) return -cell * 4 + 1;
    return cell === 0 ? 0 : (cell - 1) * 4 + 2;
  }

  cell(node: number, index: number): number {
    return this.segments[node >>> segmentShift]![baseOf(node) + index]!;
  }

  translate(vpn: Vpn): Frame | -1 {
    this.seek(vpn, 1);
    if (this.atCell <= 0) return -1;
    return this.atLevel === 1 ? this.atCell - 1 : this.atCell - 1 + ((vpn % lowLimit) & offsetMask[this.atLevel]!);
  }

  leafLevel(vpn: Vpn): PageLevel | 0 {
    this.seek(vpn, 1);
    return this.atCell > 0 ? (this.atLevel as PageLevel) : 0;
  }

  nodeAt(vpn: Vpn, level: number): number {
    this.seek(vpn, level);
    return this.atLevel === level ? this.atNode : -1;
  }

  forEachLeaf(visit: (vpn: Vpn, frame: Frame, level: PageLevel) => void): void {
    this.visitLeaves(0, this.levels, 0, visit);
  }

  map(vpn: Vpn, frame: Frame, level: PageLevel, frameForNode: (level: number, vpn: Vpn) => Frame): number {
    this.checkAlignment(vpn, frame, level);
    this.seek(vpn, level);
    if (this.atCell !== 0) throw this.conflict(vpn, level);
    const missing = this.atLevel - level;
    for (let step = 0; step < missing; step++) {
      const nodeLevel = this.atLevel - 1 - step;
      this.framesToLink[step] = frameForNode(nodeLevel, vpn - (vpn % 512 ** nodeLevel));
    }
    let node = this.atNode;
    let nodeLevel = this.atLevel;
    for (let step = 0; step < missing; step++) {
      const child = this.newNode(this.framesToLink[step]!);
      this.addCell(node, indexOf(vpn, nodeLevel), -child);
      node = child;
      nodeLevel--;
    }
    this.addCell(node, indexOf(vpn, level), frame + 1);
    this.mappedPages += pagesIn[level];
    return missing;
  }

  mapRun(
    vpn: Vpn,
    frames: Float64Array,
    from: number,
    to: number,
    frameForNode: (level: number, vpn: Vpn) => Frame,
  ): void {
    if (from >= to) return;
    this.map(vpn, frames[from]!, 1, frameForNode);
    const node = this.nodeAt(vpn, 1);
    const segment = this.segments[node >>> segmentShift]!;
    const limit = segment instanceof Int32Array ? narrowLimit : frameLimit;
    const base = baseOf(node);
    const first = indexOf(vpn, 1);
    let index = first + 1;
    for (let at = from + 1; at < to; at++, index++) {
      const frame = frames[at]!;
      // What cannot be put in place here goes by the way that says why, or widens the segment.
      if (index === entriesPerTable || segment[base + index] !== 0 || !(frame >= 0 && frame < limit)) break;
      segment[base + index] = frame + 1;
    }
    const mapped = index - first - 1;
    this.present[node]! += mapped;
    this.mappedPages += mapped;
    for (let at = from + 1 + mapped; at < to; at++) this.map(vpn + at - from, frames[at]!, 1, frameForNode);
  }

  unmap(vpn: Vpn, nodeFreed?: (level: number, frame: Frame) => void): PageLevel | 0 {
    this.seek(vpn, 1);
    if (this.atCell <= 0) return 0;
    const level = this.atLevel as PageLevel;
    this.removeCell(this.atNode, indexOf(vpn, level));
    this.mappedPages -= pagesIn[level];
    if (!this.keepsEmptyNodes) this.freeEmptyNodes(vpn, this.atNode, level, nodeFreed);
    return level;
  }

  moveNode(node: number, frame: Frame): void {
    this.nodeFrames[node] = frame;
  }

  remap(vpn: Vpn, frame: Frame): void {
    this.seek(vpn, 1);
    if (this.atCell <= 0) return;
    const level = this.atLevel as PageLevel;
    this.checkAlignment(vpn - (vpn % pagesIn[level]), frame, level);
    this.setCell(this.atNode, indexOf(vpn, level), frame + 1);
  }

  split(vpn: Vpn, frameForNode: (level: number, vpn: Vpn) => Frame): PageLevel | 0 {
    this.seek(vpn, 1);
    if (this.atCell <= 0 || this.atLevel === 1) return 0;
    const parent = this.atNode;
    const leafLevel = (this.atLevel - 1) as PageLevel;
    const firstCell = this.atCell;
    const child = this.newNode(frameForNode(leafLevel, vpn - (vpn % pagesIn[this.atLevel]!)));
    for (let index = 0; index < entriesPerTable; index++)
      this.setCell(child, index, firstCell + index * pagesIn[leafLevel]);
    this.present[child] = entriesPerTable;
    this.setCell(parent, indexOf(vpn, leafLevel + 1), -child);
    return leafLevel;
  }

  promote(vpn: Vpn, frame: Frame, level: 2 | 3, nodeFreed?: (level: number, frame: Frame) => void): number {
    this.checkAlignment(vpn, frame, level);
    this.seek(vpn, level);
    if (this.atLevel !== level || this.atCell >= 0) throw this.conflict(vpn, level);
    const parent = this.atNode;
    const replaced = this.dropSubtree(-this.atCell, level - 1, nodeFreed);
    this.setCell(parent, indexOf(vpn, level), frame + 1);
    this.mappedPages += pagesIn[level] - replaced;
    return replaced;
  }

  /** Goes down towards `vpn` as far as the node of level `lowest`, a leaf or an absent entry. */
  private seek(vpn: Vpn, lowest: number): void {
    let level: number = this.levels;
    let node = 0;
    let cell = 0;
    if (vpn < this.holeStart || vpn >= this.holeEnd) {
      const high = Math.floor(vpn / lowLimit) | 0;
      const low = (vpn - high * lowLimit) | 0;
      for (;;) {
        const index = (level > 3 ? high >>> (indexBits * (level - 4)) : low >>> (indexBits * (level - 1))) & 511;
        cell = this.segments[node >>> segmentShift]![baseOf(node) + index]!;
        if (cell >= 0 || level <= lowest) break;
        node = -cell;
        level--;
      }
    }
    this.atNode = node;
    this.atLevel = level;
    this.atCell = cell;
  }

  private newNode(frame: Frame): number {
    const node = this.freeNodes.pop() ?? this.nextNode++;
    if (node >>> segmentShift === this.segments.length)
      this.segments.push(new Int32Array((node === 0 ? firstNodes : nodesPerSegment) * entriesPerTable));
    else if (node < nodesPerSegment && baseOf(node) === this.segments[0]!.length)
      this.segments[0] = doubled(this.segments[0]!);
    if (node >= this.nodeFrames.length) {
      this.nodeFrames = grown(this.nodeFrames, new Float64Array(node * 2));
      this.present = grown(this.present, new Uint16Array(node * 2));
    }
    this.nodeFrames[node] = frame;
    this.nodes++;
    return node;
  }

  /** The node's cells are all 0 again when this is called. */
  private releaseNode(node: number): void {
    this.present[node] = 0;
    this.freeNodes.push(node);
    this.nodes--;
  }

  private freeEmptyNodes(
    vpn: Vpn,
    emptied: number,
    emptiedLevel: number,
    nodeFreed?: (level: number, frame: Frame) => void,
  ): void {
    let node = emptied;
    for (let level = emptiedLevel; level < this.levels && this.present[node] === 0; level++) {
      const frame = this.nodeFrames[node]!;
      const parent = this.nodeAt(vpn, level + 1);
      this.removeCell(parent, indexOf(vpn, level + 1));
      this.releaseNode(node);
      nodeFreed?.(level, frame);
      node = parent;
    }
  }

  /** Frees a node and all below it; returns the 4 KiB pages that were mapped there. */
  private dropSubtree(node: number, level: number, nodeFreed?: (level: number, frame: Frame) => void): number {
    let pages = 0;
    for (let index = 0; index < entriesPerTable; index++) {
      const cell = this.cell(node, index);
      if (cell > 0) pages += pagesIn[level]!;
      else if (cell < 0) pages += this.dropSubtree(-cell, level - 1, nodeFreed);
    }
    this.segments[node >>> segmentShift]!.fill(0, baseOf(node), baseOf(node) + entriesPerTable);
    const frame = this.nodeFrames[node]!;
    this.releaseNode(node);
    nodeFreed?.(level, frame);
    return pages;
  }

  private visitLeaves(
    node: number,
    level: number,
    start: Vpn,
    visit: (vpn: Vpn, frame: Frame, level: PageLevel) => void,
  ): void {
    for (let index = 0; index < entriesPerTable; index++) {
      const cell = this.cell(node, index);
      if (cell === 0) continue;
      let vpn = start + index * 512 ** (level - 1);
      if (level === this.levels && vpn >= this.holeStart) vpn += this.holeEnd - this.holeStart;
      if (cell > 0) visit(vpn, cell - 1, level as PageLevel);
      else this.visitLeaves(-cell, level - 1, vpn, visit);
    }
  }

  private setCell(node: number, index: number, cell: number): void {
    const at = node >>> segmentShift;
    if (cell > narrowLimit && this.segments[at] instanceof Int32Array)
      this.segments[at] = Float64Array.from(this.segments[at]);
    this.segments[at]![baseOf(node) + index] = cell;
  }

  private addCell(node: number, index: number, cell: number): void {
    this.setCell(node, index, cell);
    this.present[node]!++;
  }

  private removeCell(node: number, index: number): void {
    this.setCell(node, index, 0);
    this.present[node]!--;
  }

  private checkAlignment(vpn: Vpn, frame: Frame, level: PageLevel): void {
    if (level > 1 && (vpn % pagesIn[level] !== 0 || frame % pagesIn[level] !== 0))
      throw new StrataError({
        code: 'page-table.misaligned',
        what: `the ${pageSizeName[level]} page at ${hexAddress(vpn)} cannot be mapped to ${hexAddress(frame)}`,
        expected: `both aligned to ${pageSizeName[level]}`,
      });
    if (!(vpn >= 0 && vpn < vpnLimit) || (vpn >= this.holeStart && vpn < this.holeEnd))
      throw new StrataError({
        code: 'page-table.address-out-of-range',
        what: `page number 0x${vpn.toString(16)} is no address of a ${this.levels}-level table`,
        mend:
          this.levels === 4
            ? 'Use 5 levels if the recording comes from a machine with 57-bit addresses.'
            : 'Check the address.',
      });
    if (!(frame >= 0 && frame < frameLimit))
      throw new StrataError({
        code: 'page-table.frame-out-of-range',
        what: `frame 0x${frame.toString(16)} of the page at ${hexAddress(vpn)} lies outside of physical memory`,
        expected: 'a physical address below 2^52',
      });
  }

  private conflict(vpn: Vpn, level: PageLevel): StrataError {
    return new StrataError({
      code: 'page-table.conflict',
      what: `the ${pageSizeName[level]} page at ${hexAddress(vpn)} cannot be mapped`,
      expected: 'a range that nothing else maps',
      found:
        this.atCell > 0
          ? `a ${pageSizeName[this.atLevel as PageLevel]} page mapped to ${hexAddress(this.atCell - 1)}`
          : this.atCell < 0
            ? `a table of smaller pages`
            : 'nothing there',
    });
  }
}

const pageSizeName: readonly [string, string, string, string] = ['', '4 KiB', '2 MiB', '1 GiB'];

function baseOf(node: number): number {
  return (node & (nodesPerSegment - 1)) * entriesPerTable;
}

function indexOf(vpn: Vpn, level: number): number {
  const high = Math.floor(vpn / lowLimit);
  return (level > 3 ? high >>> (indexBits * (level - 4)) : (vpn - high * lowLimit) >>> (indexBits * (level - 1))) & 511;
}

function doubled(from: Int32Array | Float64Array): Int32Array | Float64Array {
  const to = from instanceof Int32Array ? new Int32Array(from.length * 2) : new Float64Array(from.length * 2);
  to.set(from);
  return to;
}

function grown<T extends Float64Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
