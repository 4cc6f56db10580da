import type { SetIndex } from './cache.ts';
import { Interner } from './interner.ts';
import type { TranslationBlock } from './records.ts';

/** Words of a page's record in `Pages.fields`. One record is one cache line, which the stages read several words of. */
export const PageField = {
  sid: 0,
  did: 1,
  level: 2,
  contextSet: 3,
  /** Number of (page, domain, set): 2 MiB regions of one 1 GiB page lie in different sets. */
  tlbKey: 4,
  tlbSet: 5,
  l2Key: 6,
  l2Set: 7,
  l3Key: 8,
  l3Set: 9,
  /** Number of the page's address, whatever its owner. */
  addressKey: 10,
  /** Number of (SID, set of the context cache): partitions keep a SID of several domains apart. */
  contextKey: 13,
  /** Number of (page, domain), which is all that the prefetch buffer goes by. */
  bufferKey: 14,
  /** The original's hash of a DevTLB key, (page address << 16) | DID, as two words. */
  hashHi: 11,
  hashLo: 12,
} as const;

/** `fields[page << pageShift | PageField.x]` */
export const pageShift = 4;

const plainMaskLo = new Uint32Array([0, 0xfffff000, 0xffe00000]);

function mix(a: number, b: number, c: number): number {
  const first = Math.imul(a ^ Math.imul(c, 0x9e3779b1), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 15) ^ b, 0xc2b2ae35);
  return second ^ (second >>> 14);
}

type Indices = Readonly<Record<'context' | 'tlb' | 'l2' | 'l3', SetIndex>>;

/** Distinct (SID, DID, page) of the trace, numbered at first touch, with all that the stages need of them. */
export class Pages {
  fields = new Int32Array(1024 << pageShift);
  readonly #numbers = new Interner();
  readonly #tlbKeys = new Interner();
  readonly #contextKeys = new Interner();
  readonly #bufferKeys = new Interner();
  readonly #l2Keys = new Interner();
  readonly #l3Keys = new Interner();
  readonly #addresses = new Interner();
  readonly #masks = new Interner();
  readonly #index: Indices;
  #plain = new Int32Array(4096).fill(-1);
  #plainCount = 0;
  /** Number of the last mask seen of each level: a trace has one mask per level unless it is odd. */
  readonly #lastMask = new Uint32Array(256 * 3);

  constructor(index: Indices) {
    this.#index = index;
  }

  /** Number of the record's page. */
  numberOf(block: TranslationBlock, record: number): number {
    const level = block.level[record]!;
    const hi = block.iovaHi[record]!;
    const isPlain =
      (level === 1 || level === 2) &&
      hi < 0x10000 &&
      block.maskHi[record] === 0xffffffff &&
      block.maskLo[record] === plainMaskLo[level];
    return isPlain ? this.#plainPage(block, record, level) : this.#anyPage(block, record);
  }

  /** A page of 4 KiB or 2 MiB with its level's mask: `fields` itself tells whether it is the one. */
  #plainPage(block: TranslationBlock, record: number, level: number): number {
    const lo = block.iovaLo[record]!;
    const hi = block.iovaHi[record]!;
    const sid = block.sid[record]!;
    const did = block.did[record]!;
    const pageLo = lo & plainMaskLo[level]!;
    const hashHi = (hi << 16) | (pageLo >>> 16);
    const hashLo = (pageLo << 16) | did;
    const table = this.#plain;
    const mask = table.length - 1;
    const fields = this.fields;
    let slot = mix(hashHi, hashLo, (sid << 2) | level) & mask;
    for (let page = table[slot]!; page !== -1; page = table[slot]!) {
      const at = page << pageShift;
      if (
        fields[at + PageField.hashLo] === hashLo &&
        fields[at + PageField.hashHi] === hashHi &&
        fields[at + PageField.sid] === sid &&
        fields[at + PageField.level] === level
      )
        return page;
      slot = (slot + 1) & mask;
    }
    const page = this.#anyPage(block, record);
    table[slot] = page;
    if (++this.#plainCount * 2 > table.length) this.#growPlain();
    return page;
  }

  #growPlain(): void {
    const old = this.#plain;
    const table = new Int32Array(old.length * 2).fill(-1);
    const mask = table.length - 1;
    for (const page of old) {
      if (page === -1) continue;
      const at = page << pageShift;
      const { fields } = this;
      const ids = (fields[at + PageField.sid]! << 2) | fields[at + PageField.level]!;
      let slot = mix(fields[at + PageField.hashHi]!, fields[at + PageField.hashLo]!, ids) & mask;
      while (table[slot] !== -1) slot = (slot + 1) & mask;
      table[slot] = page;
    }
    this.#plain = table;
  }

  #anyPage(block: TranslationBlock, record: number): number {
    const lo = block.iovaLo[record]!;
    const hi = block.iovaHi[record]!;
    const maskLo = block.maskLo[record]!;
    const maskHi = block.maskHi[record]!;
    const level = block.level[record]!;
    const pageLo = (lo & maskLo) >>> 0;
    const pageHi = (hi & maskHi) >>> 0;
    const ids = (block.sid[record]! << 16) | block.did[record]!;
    const mask = this.#maskNumber(maskLo, maskHi, level);
    const before = this.#numbers.size;
    // Bits 21 and up of the address go into the key because the L2 and L3 keys follow from them even where the page's own mask cuts them.
    const regionLo = ((hi << 11) | (lo >>> 21)) >>> 0;
    const page = this.#numbers.intern(pageLo, pageHi, ids >>> 0, regionLo, ((mask << 11) | (hi >>> 21)) >>> 0);
    if (page === before) this.#describe(page, lo, hi, pageLo, pageHi, block.sid[record]!, block.did[record]!, level);
    return page;
  }

  #maskNumber(maskLo: number, maskHi: number, level: number): number {
    const last = this.#lastMask;
    const at = level * 3;
    if (last[at] === maskLo && last[at + 1] === maskHi && maskHi !== 0) return last[at + 2]!;
    const mask = this.#masks.intern(maskLo, maskHi, level, 0, 0);
    last[at] = maskLo;
    last[at + 1] = maskHi;
    last[at + 2] = mask;
    return mask;
  }

  #describe(
    page: number,
    lo: number,
    hi: number,
    pageLo: number,
    pageHi: number,
    sid: number,
    did: number,
    level: number,
  ): void {
    const at = page << pageShift;
    if (at === this.fields.length) {
      const larger = new Int32Array(this.fields.length * 2);
      larger.set(this.fields);
      this.fields = larger;
    }
    const megabytes2Lo = ((hi << 11) | (lo >>> 21)) >>> 0;
    const gigabytesLo = ((hi << 2) | (lo >>> 30)) >>> 0;
    const { context, tlb, l2, l3 } = this.#index;
    this.fields[at + PageField.sid] = sid;
    this.fields[at + PageField.did] = did;
    this.fields[at + PageField.level] = level;
    const contextSet = context.of(did, sid);
    const tlbSet = tlb.of(did, megabytes2Lo);
    this.fields[at + PageField.contextSet] = contextSet;
    this.fields[at + PageField.contextKey] = this.#contextKeys.intern(sid, contextSet, 0, 0, 0);
    this.fields[at + PageField.tlbKey] = this.#tlbKeys.intern(pageLo, pageHi, did, tlbSet, 0);
    this.fields[at + PageField.bufferKey] = this.#bufferKeys.intern(pageLo, pageHi, did, 0, 0);
    this.fields[at + PageField.tlbSet] = tlbSet;
    this.fields[at + PageField.l2Key] = this.#l2Keys.intern(megabytes2Lo, hi >>> 21, did, 0, 0);
    this.fields[at + PageField.l2Set] = l2.of(did, megabytes2Lo);
    this.fields[at + PageField.l3Key] = this.#l3Keys.intern(gigabytesLo, hi >>> 30, did, 0, 0);
    this.fields[at + PageField.l3Set] = l3.of(did, gigabytesLo);
    this.fields[at + PageField.addressKey] = this.#addresses.intern(pageLo, pageHi, 0, 0, 0);
    this.fields[at + PageField.hashHi] = (pageHi << 16) | (pageLo >>> 16);
    this.fields[at + PageField.hashLo] = (pageLo << 16) | did;
  }
}
