import { type Frame, frameLimit, guestPage, type PageLevel, pagesIn } from '../../machine/address.ts';
import { StrataError } from '../../machine/errors.ts';
import type { MutablePageTable, PageTable } from '../../machine/page-table.ts';
import { createPageTable } from '../../machine/radix-table.ts';
import { createBackedFrames, type FrameSource } from './imported-frames.ts';
import type { ImportedTables } from './imported-tables.ts';

/** The tables of one domain: its own, and with two dimensions those of the host that its physical memory is translated by. */
export interface Space {
  readonly table: MutablePageTable;
  /** Undefined with one dimension. */
  readonly host: PageTable | undefined;
}

export interface AddressSpacesOptions {
  /** 0 = one dimension, else level of the host's pages. */
  readonly hostPages: PageLevel | 0;
  /** Of a domain's tables: those of three levels are the part below one entry of four. */
  readonly levels: 4 | 5;
  readonly hostLevels: 4 | 5;
  /** Recorded mappings name frames: those that are made up for tables and rings lie above them. */
  readonly hasRecording: boolean;
  readonly imported?: ImportedTables | undefined;
}

function tableOf(levels: 4 | 5, rootFrame: Frame): MutablePageTable {
  return createPageTable({ levels, rootFrame, addresses: 'physical', keepsEmptyNodes: true });
}

/**
 * Page tables and frames of all domains. With one dimension the frames are the machine's; with two they are the guest's, and each is backed
 * in the host's table when it is first handed out.
 */
export class AddressSpaces {
  readonly #spaces = new Map<number, GuestSpace>();
  readonly #hostLevel: PageLevel | 0;
  readonly #levels: 4 | 5;
  readonly #hostLevels: 4 | 5;
  /** The machine's frames, shared by all domains. */
  readonly #machine: Frames;
  readonly #firstGuestFrame: number;
  readonly #imported: ImportedTables | undefined;
  /** Frames asked for at the place of a node: bound once, since mapping is frequent. */
  #mapping: GuestSpace | undefined;
  readonly #frameForNode = (): Frame => this.#take(this.#mapping!, 1);

  constructor({ hostPages, levels, hostLevels, hasRecording, imported }: AddressSpacesOptions) {
    this.#hostLevel = hostPages;
    this.#levels = levels;
    this.#hostLevels = hostLevels;
    this.#imported = imported;
    const above = hasRecording || imported !== undefined ? aboveRecorded : 1;
    this.#machine = new Frames(hostPages === 0 ? above : 1);
    this.#firstGuestFrame = above;
  }

  get size(): number {
    return this.#spaces.size;
  }

  of(domain: number): Space {
    return this.#of(domain);
  }

  domains(): Iterable<number> {
    return this.#spaces.keys();
  }

  /** Contiguous frames, aligned to their number (a power of two), all backed. */
  takeFrames(domain: number, count: number): Frame {
    return this.#take(this.#of(domain), count);
  }

  giveFrames(domain: number, frame: Frame, count: number): void {
    this.#of(domain).frames.give(frame, count);
  }

  map(domain: number, vpn: number, frame: Frame, level: PageLevel): void {
    this.#mapping = this.#of(domain);
    this.#mapping.table.map(vpn, frame, level, this.#frameForNode);
  }

  /** Level of the leaf removed, 0 when there was none. Tables left empty stay, so that cached entries of theirs stay right. */
  unmap(domain: number, vpn: number): PageLevel | 0 {
    return this.#of(domain).table.unmap(vpn);
  }

  /** Whether the pages of domains are those of recorded tables, and no others. */
  get areImported(): boolean {
    return this.#imported !== undefined && this.#hostLevel === 0;
  }

  /** Maps the page as the recorded tables have it; nothing where they do not. Tables above it are as recorded: addresses say which. */
  mapImported(domain: number, vpn: number): void {
    const recorded = this.#imported?.(domain);
    const level = recorded?.leafLevel(vpn) ?? 0;
    const space = this.#of(domain);
    if (recorded === undefined || level === 0 || space.table.translate(vpn) !== -1) return;
    const first = vpn - (vpn % pagesIn[level]);
    this.#mapping = space;
    space.table.map(first, recorded.translate(first) as Frame, level, this.#frameForNode);
  }

  /** Maps the page to a frame of its own if it is not mapped: as a page of `level`, or of 4 KiB where smaller pages are in the way. */
  ensure(domain: number, vpn: number, level: PageLevel): void {
    const space = this.#of(domain);
    if (this.areImported) this.mapImported(domain, vpn);
    if (space.table.translate(vpn) === -1) {
      const fits = level === 1 || space.table.nodeAt(vpn, level - 1) === -1;
      const size = fits ? pagesIn[level] : 1;
      this.#mapping = space;
      space.table.map(vpn - (vpn % size), space.frames.take(size), fits ? level : 1, this.#frameForNode);
    }
    this.#back(space, space.table.translate(vpn), 1);
  }

  /** Maps the page to a frame that a recording names, as a page of `level`, or of 4 KiB where smaller pages are in the way. */
  mapRecorded(domain: number, vpn: number, frame: Frame, level: PageLevel): void {
    const space = this.#of(domain);
    const fits = level === 1 || space.table.nodeAt(vpn, level - 1) === -1;
    const size = fits ? pagesIn[level] : 1;
    this.#mapping = space;
    space.table.map(vpn - (vpn % size), frame - (vpn % size), fits ? level : 1, this.#frameForNode);
  }

  /** Backs the guest's frame of a mapped page in the host's table: of a large page only what is used has to be there. */
  back(domain: number, vpn: number): void {
    const space = this.#of(domain);
    this.#back(space, space.table.translate(vpn), 1);
  }

  /** Frame of the machine that a page leads to, through both dimensions; -1 when it is not mapped. */
  translate(domain: number, vpn: number): Frame | -1 {
    const { table, host } = this.#of(domain);
    const frame = table.translate(vpn);
    return frame === -1 || host === undefined ? frame : host.translate(guestPage(frame));
  }

  #of(domain: number): GuestSpace {
    const known = this.#spaces.get(domain);
    if (known !== undefined) return known;
    const made = this.#create(domain);
    this.#spaces.set(domain, made);
    return made;
  }

  #create(domain: number): GuestSpace {
    if (this.#hostLevel === 0) {
      const table = tableOf(this.#levels, this.#machine.take(1));
      return { table, host: undefined, backing: undefined, frames: this.#machine };
    }
    if (this.#imported !== undefined) return this.#createOnRecordedHost(domain, this.#imported);
    const host = tableOf(this.#hostLevels, this.#machine.take(1));
    const frames = new Frames(this.#firstGuestFrame);
    const rootFrame = frames.take(1);
    this.#map(host, rootFrame, 1);
    return { table: tableOf(this.#levels, rootFrame), host, backing: host, frames };
  }

  #createOnRecordedHost(domain: number, imported: ImportedTables): GuestSpace {
    const host = imported(domain);
    if (host === undefined)
      throw new StrataError({
        code: 'io.tables-no-domain',
        what: `the tables have nothing of domain ${domain}`,
        where: '--tables',
        mend: 'Take tables of all domains of the trace, or a dump of one VM, which is taken for all.',
      });
    if (host.levels !== this.#hostLevels)
      throw new StrataError({
        code: 'io.tables-levels',
        what: 'the tables have other levels than those of the host',
        where: '--tables',
        expected: `${this.#hostLevels} levels`,
        found: String(host.levels),
        mend: `Use --set hostLevels=${host.levels}.`,
      });
    const frames = createBackedFrames(host);
    return { table: tableOf(this.#levels, frames.take(1)), host, backing: undefined, frames };
  }

  #take(space: GuestSpace, count: number): Frame {
    const frame = space.frames.take(count);
    this.#back(space, frame, count);
    return frame;
  }

  /** Recorded tables of a host stay as they are. */
  #back({ backing }: GuestSpace, first: Frame, count: number): void {
    if (backing !== undefined) this.#map(backing, first, count);
  }

  #map(host: MutablePageTable, first: Frame, count: number): void {
    const level = this.#hostLevel as PageLevel;
    const size = pagesIn[level];
    for (let frame = first - (first % size); frame < first + count; frame += size) {
      if (host.translate(frame) !== -1) continue;
      host.map(frame, this.#machine.take(size), level, () => this.#machine.take(1));
    }
  }
}

/** 64 TiB: where no recording has memory, and the host's tables still reach. */
const aboveRecorded = 2 ** 34;

interface GuestSpace extends Space {
  /** Tables of the host that grow as frames are handed out. */
  readonly backing: MutablePageTable | undefined;
  readonly frames: FrameSource;
}

/** Frames of one physical space: the one given back last is taken first, else the next that was never used. */
class Frames implements FrameSource {
  #next: number;
  readonly #free = new Map<number, number[]>();

  constructor(first: number) {
    this.#next = first;
  }

  take(count: number): Frame {
    const free = this.#free.get(count)?.pop();
    if (free !== undefined) return free;
    const first = Math.ceil(this.#next / count) * count;
    this.#next = first + count;
    if (this.#next > frameLimit)
      throw new StrataError({
        code: 'io.memory',
        what: 'physical memory is used up',
        expected: 'less than 2^52 bytes mapped',
        mend: 'Use fewer tenants or buffers.',
      });
    return first;
  }

  give(frame: Frame, count: number): void {
    const list = this.#free.get(count);
    if (list === undefined) this.#free.set(count, [frame]);
    else list.push(frame);
  }
}
