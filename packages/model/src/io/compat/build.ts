import { HashOrder } from './c-library.ts';
import { EventRows, EventWord } from './event-rows.ts';
import { type BuildQuirks, idCount, TenantIds } from './identities.ts';
import { Interner } from './interner.ts';
import type { LogEvents } from './log-events.ts';
import { randomOrder, roundRobin, type TenantOrder, wholeTurns } from './merge.ts';

export interface BuildSummary {
  readonly tenants: number;
  readonly translations: number;
  readonly contexts: number;
  readonly tables: number;
  /** SIDs used by more than one domain: tenants that the model would merge. */
  readonly sidCollisions: readonly { readonly sid: number; readonly dids: readonly number[] }[];
  readonly overwrittenTables: number;
  /** Events of devices or domains that are no tenants. */
  readonly ignoredEvents: number;
  /** Devices with translations and without a context entry, as `log:sid`. */
  readonly withoutContext: readonly { readonly log: number; readonly sid: number }[];
  /** Devices whose domain changed, each of which the original takes for several tenants (quirk Q17). */
  readonly domainChanges: readonly { readonly log: number; readonly sid: number }[];
}

export const translationRecordBytes = 48;
export const contextRecordBytes = 20;
export const tableRecordBytes = 42;

/** Page masks by level: 4 KiB, 2 MiB, 1 GiB; level 4 is undefined in the original and treated as no mask here. */
const maskLoOfLevel: readonly number[] = [0, -(2 ** 12), -(2 ** 21), -(2 ** 30)];

function levelOfMask(maskLo: number): number {
  for (let level = 1; level < maskLoOfLevel.length; level++) if (maskLoOfLevel[level] === maskLo) return level;
  return 0;
}

/** Collects the events of logs and merges them into a hyper-tenant trace. */
export class TraceBuilder implements LogEvents {
  readonly #quirks: BuildQuirks;
  readonly #ids: TenantIds;
  #validDids = new Set<number>();
  #ignored = 0;

  readonly #events = new EventRows();
  /** Per device of this log with translations: its domain + 1 and number, until a context entry says something else. */
  readonly #knownDomain = new Uint32Array(idCount);
  readonly #knownDid = new Uint16Array(idCount);
  readonly #knownSid = new Uint16Array(idCount);

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
    this.#ids = new TenantIds(quirks);
  }

  /** Starts the next log, of whose devices at most `devices` are tenants. @param kind which devices of the log may be: see `TenantIds` */
  beginLog(devices: number, kind: 'collector' | 'stock' = 'collector'): void {
    this.#ids.beginLog(devices, kind);
    this.#validDids = new Set();
    this.#knownDomain.fill(0);
  }

  /** Tenants seen so far in the current log, through any kind of event. */
  get tenantsInLog(): number {
    return this.#ids.tenantsInLog;
  }

  get tenants(): number {
    return this.#ids.tenants;
  }

  get translations(): number {
    return this.#events.length;
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
    this.#translation(sid, iovaLo, iovaHi, maskLo, maskLo === 0 ? 0 : -1, slpteLo, slpteHi, level, domain);
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
    const level = (maskHi | 0) === -1 ? levelOfMask(maskLo | 0) : 0;
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
    if (!this.#ids.isTenant(sid)) {
      this.#ignored++;
      return;
    }
    this.#knownDomain[sid] = 0;
    const did = (highLo >>> 8) & 0xffff;
    this.#validDids.add(did);
    this.#ids.domain(did, sid);
    this.#ids.seeContext(sid);
    const shifted = this.#ids.shiftedSid(sid);
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
    const global = this.#ids.domainOfTable(did);
    const offset = indexAtLevel(iovaLo, iovaHi, level) * 8;
    const addressLo = (tableLo + offset) >>> 0;
    const addressHi = (tableHi + (addressLo < tableLo >>> 0 ? 1 : 0)) >>> 0;
    const before = this.#tableNodes.size;
    const run = this.#quirks.tableOverwrite ? 0 : this.#ids.log;
    const node = this.#tableNodes.intern(addressLo, addressHi, run, 0, 0);
    const owner = this.#quirks.tableOverwrite ? did : global;
    const record = Uint32Array.of(
      owner,
      addressLo,
      addressHi,
      level,
      entryLo,
      entryHi,
      iovaLo,
      iovaHi,
      tableLo,
      tableHi,
    );
    if (node === before) this.#tableOrder.insert(node, addressHi, addressLo);
    else if (!sameEntry(this.#tables[node]!, record)) this.#overwritten++;
    this.#tables[node] = record;
  }

  /** Event numbers in the order of the merged trace. @param burst events that a tenant's turn copies at most */
  merge(order: TenantOrder, burst: number): Int32Array {
    if (order === 'orig') return Int32Array.from({ length: this.translations }, (_, event) => event);
    const streams = this.#quirks.partialTurns ? this.#streams() : wholeTurns(this.#streams(), order, burst);
    return order === 'rr'
      ? roundRobin(streams, burst, this.translations)
      : randomOrder(streams, burst, this.translations);
  }

  /** `iotlb_trace.bin`: translation records in trace order, with the index of the next access to the same page and domain. */
  translationRecords(order: Int32Array): Uint8Array {
    const bytes = new Uint8Array(order.length * translationRecordBytes);
    const words = new Uint32Array(bytes.buffer);
    const events = this.#events;
    const pages = new Interner();
    const pageAt = new Int32Array(order.length);
    for (let position = 0; position < order.length; position++) {
      const event = order[position]!;
      const pageLo = (events.word(event, EventWord.iovaLo) & events.word(event, EventWord.maskLo)) >>> 0;
      const pageHi = (events.word(event, EventWord.iovaHi) & events.word(event, EventWord.maskHi)) >>> 0;
      pageAt[position] = pages.intern(pageLo, pageHi, this.#events.did(event), 0, 0);
    }
    const nextAccess = new Float64Array(pages.size).fill(-1);
    for (let position = order.length - 1; position >= 0; position--) {
      const event = order[position]!;
      const at = (position * translationRecordBytes) / 4;
      const next = nextAccess[pageAt[position]!]!;
      words[at] = 1;
      words[at + 1] = events.word(event, EventWord.device);
      words[at + 2] = events.word(event, EventWord.iovaLo);
      words[at + 3] = events.word(event, EventWord.iovaHi);
      words[at + 4] = events.word(event, EventWord.maskLo);
      words[at + 5] = events.word(event, EventWord.maskHi);
      words[at + 6] = events.word(event, EventWord.level);
      words[at + 8] = events.word(event, EventWord.slpteLo);
      words[at + 9] = events.word(event, EventWord.slpteHi);
      words[at + 10] = next === -1 ? 0xffffffff : next >>> 0;
      words[at + 11] = next === -1 ? 0xffffffff : Math.floor(next / 2 ** 32);
      nextAccess[pageAt[position]!] = position;
    }
    return bytes;
  }

  /** Tenants of which the order has nothing. */
  absentFrom(order: Int32Array): number[] {
    const isThere = new Uint8Array(this.tenants);
    for (const event of order) isThere[this.#events.did(event)] = 1;
    return Array.from(isThere.keys()).filter((did) => isThere[did] === 0);
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
      const sid = this.#events.sid(event);
      const dids = didsOfSid.get(sid) ?? new Set();
      didsOfSid.set(sid, dids.add(this.#events.did(event)));
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
      withoutContext: this.#ids.withoutContext(),
      domainChanges: this.#ids.domainChanges,
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
    if (this.#knownDomain[sid] !== (domain & 0xffff) + 1 && !this.#learn(sid, domain & 0xffff)) {
      this.#ignored++;
      return;
    }
    this.#events.push(
      this.#knownSid[sid]!,
      this.#knownDid[sid]!,
      level,
      iovaLo,
      iovaHi,
      maskLo,
      maskHi,
      slpteLo,
      slpteHi,
    );
  }

  /** Whether the device is a tenant; its numbers are known then. */
  #learn(sid: number, domain: number): boolean {
    if (sid >>> 16 !== 0 || !this.#ids.isTenant(sid)) return false;
    this.#knownDid[sid] = this.#ids.domain(domain, sid);
    this.#ids.seeTranslation(sid);
    this.#knownSid[sid] = this.#ids.shiftedSid(sid);
    this.#knownDomain[sid] = domain + 1;
    return true;
  }

  /** Event numbers per domain, in order. */
  #streams(): Int32Array[] {
    const lengths = new Int32Array(this.tenants);
    for (let event = 0; event < this.translations; event++) lengths[this.#events.did(event)]!++;
    const streams = Array.from(lengths, (length) => new Int32Array(length));
    lengths.fill(0);
    for (let event = 0; event < this.translations; event++) {
      const did = this.#events.did(event);
      streams[did]![lengths[did]!++] = event;
    }
    return streams;
  }
}

/** Index of a table entry: bits 12 + 9 (level - 1) and up of the address. */
function indexAtLevel(iovaLo: number, iovaHi: number, level: number): number {
  const page = (iovaHi >>> 0) * 2 ** 20 + (iovaLo >>> 12);
  return Math.floor(page / 512 ** (level - 1)) % 512;
}

/** Whether two table records hold the same entry of the same level, whatever address led there. */
function sameEntry(a: Uint32Array, b: Uint32Array): boolean {
  return a[3] === b[3] && a[4] === b[4] && a[5] === b[5];
}

function setWords(view: DataView, at: number, words: readonly number[]): void {
  for (const [index, word] of words.entries()) view.setUint32(at + index * 4, word, true);
}
