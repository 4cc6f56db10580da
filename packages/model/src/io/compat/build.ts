import { StrataError } from '../../machine/errors.ts';
import { createGlibcRandom, HashOrder } from './c-library.ts';
import { Interner } from './interner.ts';

/** Order in which the tenants' streams are merged (specs/io.md 1.5). */
export type TenantOrder = 'rr' | 'rand' | 'orig';

/** Events of a collector log, 64-bit values as two words. The parser calls these in the order of the lines. */
export interface LogEvents {
  pageUpdate(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    slpteLo: number,
    slpteHi: number,
    level: number,
    domain: number,
  ): void;
  pageHit(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    maskLo: number,
    maskHi: number,
    slpteLo: number,
    slpteHi: number,
    domain: number,
  ): void;
  contextUpdate(
    bus: number,
    devfn: number,
    highLo: number,
    highHi: number,
    lowLo: number,
    lowHi: number,
    generation: number,
  ): void;
  tableFetch(
    highLo: number,
    highHi: number,
    iovaLo: number,
    iovaHi: number,
    level: number,
    tableLo: number,
    tableHi: number,
    entryLo: number,
    entryHi: number,
  ): void;
}

/** Defects of the original constructor that `correct` mends (specs/io.md section 6). */
export interface BuildQuirks {
  /** Q14: SIDs of log n are shifted by only 128 n, so that logs of more than 16 devices share SIDs. Mended: 256 n, and refused beyond 65,536. */
  readonly sidCollision: boolean;
  /** Q15: DIDs and SIDs wrap at 16 bits. Mended: refused. */
  readonly wrapAround: boolean;
}

export interface BuildSummary {
  readonly tenants: number;
  readonly translations: number;
  readonly contexts: number;
  readonly tables: number;
  /** SIDs used by more than one domain: tenants that the model would merge. */
  readonly sidCollisions: readonly { readonly sid: number; readonly dids: readonly number[] }[];
  readonly overwrittenTables: number;
  readonly ignoredEvents: number;
}

export const translationRecordBytes = 48;
export const contextRecordBytes = 20;
export const tableRecordBytes = 42;

const devicesShift = 3;
const firstDevice = 2;
const idsPerLog = 128;
/** Page masks by level: 4 KiB, 2 MiB, 1 GiB; level 4 is undefined in the original and treated as no mask here. */
const maskLoOfLevel: readonly number[] = [0, 0xfffff000, 0xffe00000, 0xc0000000];

/** Collects the events of logs and merges them into a hyper-tenant trace. */
export class TraceBuilder implements LogEvents {
  readonly #quirks: BuildQuirks;
  #log = -1;
  #validSids = new Set<number>();
  #validDids = new Set<number>();
  #didsOfLog = new Set<number>();
  readonly #globalDid = new Map<number, number>();
  #ignored = 0;

  readonly #sid = new Column(Uint16Array);
  readonly #did = new Column(Uint16Array);
  readonly #level = new Column(Uint8Array);
  readonly #iovaLo = new Column(Uint32Array);
  readonly #iovaHi = new Column(Uint32Array);
  readonly #maskLo = new Column(Uint32Array);
  readonly #maskHi = new Column(Uint32Array);
  readonly #slpteLo = new Column(Uint32Array);
  readonly #slpteHi = new Column(Uint32Array);

  readonly #contextOrder = new HashOrder(64);
  readonly #contextNodes = new Map<number, number>();
  readonly #contexts: {
    sid: number;
    highLo: number;
    highHi: number;
    lowLo: number;
    lowHi: number;
    generation: number;
  }[] = [];
  readonly #tableOrder = new HashOrder(1024);
  readonly #tableNodes = new Interner();
  readonly #tables: Uint32Array[] = [];
  #overwritten = 0;

  constructor(quirks: BuildQuirks) {
    this.#quirks = quirks;
  }

  /** Starts the next log, of whose devices the first `devices` are tenants: SIDs 0x10, 0x18, ... */
  beginLog(devices: number): void {
    this.#log++;
    this.#validSids = new Set(Array.from({ length: devices }, (_, device) => (firstDevice + device) << devicesShift));
    this.#validDids = new Set();
    this.#didsOfLog = new Set();
  }

  /** Domains seen so far in the current log, through any kind of event. */
  get domainsInLog(): number {
    return this.#didsOfLog.size;
  }

  get tenants(): number {
    return this.#globalDid.size;
  }

  get translations(): number {
    return this.#sid.length;
  }

  pageUpdate(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    slpteLo: number,
    slpteHi: number,
    level: number,
    domain: number,
  ): void {
    const maskLo = maskLoOfLevel[level] ?? 0;
    this.#translation(sid, iovaLo, iovaHi, maskLo, maskLo === 0 ? 0 : 0xffffffff, slpteLo, slpteHi, level, domain);
  }

  pageHit(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    maskLo: number,
    maskHi: number,
    slpteLo: number,
    slpteHi: number,
    domain: number,
  ): void {
    const level = maskHi === 0xffffffff ? Math.max(0, maskLoOfLevel.indexOf(maskLo, 1)) : 0;
    this.#translation(sid, iovaLo, iovaHi, maskLo, maskHi, slpteLo, slpteHi, level, domain);
  }

  contextUpdate(
    bus: number,
    devfn: number,
    highLo: number,
    highHi: number,
    lowLo: number,
    lowHi: number,
    generation: number,
  ): void {
    const sid = ((bus << 8) | devfn) & 0xffff;
    if (!this.#validSids.has(sid)) {
      this.#ignored++;
      return;
    }
    const did = (highLo >>> 8) & 0xffff;
    this.#validDids.add(did);
    this.#global(did);
    const shifted = this.#shiftedSid(sid);
    let node = this.#contextNodes.get(shifted);
    if (node === undefined) {
      node = this.#contexts.length;
      this.#contextNodes.set(shifted, node);
      this.#contextOrder.insert(node, 0, shifted);
    }
    this.#contexts[node] = { sid: shifted, highLo, highHi, lowLo, lowHi, generation };
  }

  tableFetch(
    highLo: number,
    _highHi: number,
    iovaLo: number,
    iovaHi: number,
    level: number,
    tableLo: number,
    tableHi: number,
    entryLo: number,
    entryHi: number,
  ): void {
    const did = (highLo >>> 8) & 0xffff;
    if (!this.#validDids.has(did)) {
      this.#ignored++;
      return;
    }
    this.#global(did);
    const offset = indexAtLevel(iovaLo, iovaHi, level) * 8;
    const addressLo = (tableLo + offset) >>> 0;
    const addressHi = (tableHi + (addressLo < tableLo ? 1 : 0)) >>> 0;
    const before = this.#tableNodes.size;
    const node = this.#tableNodes.intern(addressLo, addressHi, 0, 0, 0);
    const record = Uint32Array.of(did, addressLo, addressHi, level, entryLo, entryHi, iovaLo, iovaHi, tableLo, tableHi);
    if (node === before) this.#tableOrder.insert(node, addressHi, addressLo);
    else if (!sameWords(this.#tables[node]!, record)) this.#overwritten++;
    this.#tables[node] = record;
  }

  /** Event numbers in the order of the merged trace. @param burst events that a tenant's turn copies at most */
  merge(order: TenantOrder, burst: number): Int32Array {
    if (order === 'orig') return Int32Array.from({ length: this.translations }, (_, event) => event);
    const streams = this.#streams();
    return order === 'rr'
      ? roundRobin(streams, burst, this.translations)
      : randomOrder(streams, burst, this.translations);
  }

  /** `iotlb_trace.bin`: translation records in trace order, with the index of the next access to the same page and domain. */
  translationRecords(order: Int32Array): Uint8Array {
    const bytes = new Uint8Array(order.length * translationRecordBytes);
    const words = new Uint32Array(bytes.buffer);
    const pages = new Interner();
    const pageAt = new Int32Array(order.length);
    for (let position = 0; position < order.length; position++) {
      const event = order[position]!;
      const pageLo = (this.#iovaLo.at(event) & this.#maskLo.at(event)) >>> 0;
      const pageHi = (this.#iovaHi.at(event) & this.#maskHi.at(event)) >>> 0;
      pageAt[position] = pages.intern(pageLo, pageHi, this.#did.at(event), 0, 0);
    }
    const nextAccess = new Float64Array(pages.size).fill(-1);
    for (let position = order.length - 1; position >= 0; position--) {
      const event = order[position]!;
      const at = (position * translationRecordBytes) / 4;
      const next = nextAccess[pageAt[position]!]!;
      words[at] = 1;
      words[at + 1] = this.#sid.at(event) | (this.#did.at(event) << 16);
      words[at + 2] = this.#iovaLo.at(event);
      words[at + 3] = this.#iovaHi.at(event);
      words[at + 4] = this.#maskLo.at(event);
      words[at + 5] = this.#maskHi.at(event);
      words[at + 6] = this.#level.at(event);
      words[at + 8] = this.#slpteLo.at(event);
      words[at + 9] = this.#slpteHi.at(event);
      words[at + 10] = next === -1 ? 0xffffffff : next >>> 0;
      words[at + 11] = next === -1 ? 0xffffffff : Math.floor(next / 2 ** 32);
      nextAccess[pageAt[position]!] = position;
    }
    return bytes;
  }

  /** `cc_data.bin`: the last context entry of each SID. */
  contextRecords(): Uint8Array {
    const view = new DataView(new ArrayBuffer(this.#contexts.length * contextRecordBytes));
    let at = 0;
    for (let node = this.#contextOrder.first(); node !== -1; node = this.#contextOrder.next(node)) {
      const { sid, highLo, highHi, lowLo, lowHi, generation } = this.#contexts[node]!;
      view.setUint16(at, sid, true);
      setWords(view, at + 2, [highLo, highHi, lowLo, lowHi]);
      view.setUint16(at + 18, generation, true);
      at += contextRecordBytes;
    }
    return new Uint8Array(view.buffer);
  }

  /** `slpt_data.bin`: the last entry read at each second-level table address. */
  tableRecords(): Uint8Array {
    const view = new DataView(new ArrayBuffer(this.#tables.length * tableRecordBytes));
    let at = 0;
    for (let node = this.#tableOrder.first(); node !== -1; node = this.#tableOrder.next(node)) {
      const [did, addressLo, addressHi, level, entryLo, entryHi, iovaLo, iovaHi, tableLo, tableHi] =
        this.#tables[node]!;
      view.setUint16(at, did!, true);
      setWords(view, at + 2, [
        addressLo!,
        addressHi!,
        level!,
        0,
        entryLo!,
        entryHi!,
        iovaLo!,
        iovaHi!,
        tableLo!,
        tableHi!,
      ]);
      at += tableRecordBytes;
    }
    return new Uint8Array(view.buffer);
  }

  summary(): BuildSummary {
    const didsOfSid = new Map<number, Set<number>>();
    for (let event = 0; event < this.translations; event++) {
      const sid = this.#sid.at(event);
      const dids = didsOfSid.get(sid) ?? new Set();
      didsOfSid.set(sid, dids.add(this.#did.at(event)));
    }
    const sidCollisions = [...didsOfSid]
      .filter(([, dids]) => dids.size > 1)
      .map(([sid, dids]) => ({ sid, dids: [...dids].sort((a, b) => a - b) }));
    return {
      tenants: this.tenants,
      translations: this.translations,
      contexts: this.#contexts.length,
      tables: this.#tables.length,
      sidCollisions,
      overwrittenTables: this.#overwritten,
      ignoredEvents: this.#ignored,
    };
  }

  #translation(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    maskLo: number,
    maskHi: number,
    slpteLo: number,
    slpteHi: number,
    level: number,
    domain: number,
  ): void {
    if (!this.#validSids.has(sid)) {
      this.#ignored++;
      return;
    }
    this.#sid.push(this.#shiftedSid(sid));
    this.#did.push(this.#global(domain & 0xffff));
    this.#level.push(level);
    this.#iovaLo.push(iovaLo);
    this.#iovaHi.push(iovaHi);
    this.#maskLo.push(maskLo);
    this.#maskHi.push(maskHi);
    this.#slpteLo.push(slpteLo);
    this.#slpteHi.push(slpteHi);
  }

  #shiftedSid(sid: number): number {
    const shifted = sid + (this.#quirks.sidCollision ? idsPerLog : 2 * idsPerLog) * this.#log;
    if (shifted > 0xffff && !this.#quirks.wrapAround) throw this.#tooManyLogs();
    return shifted & 0xffff;
  }

  #global(did: number): number {
    this.#didsOfLog.add(did);
    const unique = did + idsPerLog * this.#log;
    if (unique > 0xffff && !this.#quirks.wrapAround) throw this.#tooManyLogs();
    const key = unique & 0xffff;
    const known = this.#globalDid.get(key);
    if (known !== undefined) return known;
    const global = this.#globalDid.size;
    this.#globalDid.set(key, global);
    return global;
  }

  #tooManyLogs(): StrataError {
    return new StrataError({
      code: 'io.ids-exhausted',
      what: 'SIDs and domains of this many logs do not fit into 16 bits (quirk Q15)',
      where: `log ${this.#log}`,
      mend: 'Merge fewer logs, or logs with more devices each; --mode compat wraps around as the original does.',
    });
  }

  /** Event numbers per domain, in order. */
  #streams(): Int32Array[] {
    const lengths = new Int32Array(this.tenants);
    for (let event = 0; event < this.translations; event++) lengths[this.#did.at(event)]!++;
    const streams = Array.from(lengths, (length) => new Int32Array(length));
    lengths.fill(0);
    for (let event = 0; event < this.translations; event++) {
      const did = this.#did.at(event);
      streams[did]![lengths[did]!++] = event;
    }
    return streams;
  }
}

/** A stream is found empty only when an event is wanted of it; then the round is finished for the others and merging stops (Q16). */
function roundRobin(streams: readonly Int32Array[], burst: number, total: number): Int32Array {
  const merged = new Int32Array(total);
  const taken = new Int32Array(streams.length);
  let length = 0;
  for (let ended = streams.length === 0; !ended; ) {
    for (const [did, stream] of streams.entries()) {
      for (let turn = 0; turn < burst; turn++) {
        if (taken[did] === stream.length) {
          ended = true;
          break;
        }
        merged[length++] = stream[taken[did]!++]!;
      }
    }
  }
  return merged.subarray(0, length);
}

/** Runs until all streams are empty; an exhausted one costs one empty draw (Q16). */
function randomOrder(streams: readonly Int32Array[], burst: number, total: number): Int32Array {
  const random = createGlibcRandom();
  const merged = new Int32Array(total);
  const taken = new Int32Array(streams.length);
  const live = streams.map((_, did) => did);
  let length = 0;
  while (live.length > 0) {
    const drawn = random() % live.length;
    const did = live[drawn]!;
    for (let turn = 0; turn < burst; turn++) {
      if (taken[did] === streams[did]!.length) {
        live.splice(drawn, 1);
        break;
      }
      merged[length++] = streams[did]![taken[did]!++]!;
    }
  }
  return merged.subarray(0, length);
}

/** Index of a table entry: bits 12 + 9 (level - 1) and up of the address. */
function indexAtLevel(iovaLo: number, iovaHi: number, level: number): number {
  const page = iovaHi * 2 ** 20 + (iovaLo >>> 12);
  return Math.floor(page / 512 ** (level - 1)) % 512;
}

function sameWords(a: Uint32Array, b: Uint32Array): boolean {
  return a.every((word, index) => word === b[index]);
}

function setWords(view: DataView, at: number, words: readonly number[]): void {
  for (const [index, word] of words.entries()) view.setUint32(at + index * 4, word, true);
}

type Words = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** A typed array that grows. */
class Column<T extends Words> {
  length = 0;
  #values: T;
  readonly #make: new (
    length: number,
  ) => T;

  constructor(make: new (length: number) => T) {
    this.#make = make;
    this.#values = new make(4096);
  }

  at(index: number): number {
    return this.#values[index]!;
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new this.#make(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }
}
