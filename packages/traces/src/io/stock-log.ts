import type { LogEvents } from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import { highOf, LogFields } from './log-fields.ts';
import { find, startsWith } from './log-lines.ts';

/** What a stock log tells besides translations: invalidations that the IOMMU's driver asked for. */
export interface StockLogCounts {
  readonly lines: number;
  readonly translations: number;
  readonly contexts: number;
  readonly pageInvalidations: number;
  readonly domainInvalidations: number;
  /** Translations left out, as the line that gives their device a domain comes later. */
  readonly withoutDomain: number;
}

export interface StockLogParser extends StockLogCounts {
  /** @throws StrataError `io.log-line`: a line of an event that is known and without its fields */
  push(bytes: Uint8Array): void;
  /** @throws StrataError `io.no-context`: a device with translations has no domain */
  end(): void;
}

const encoder = new TextEncoder();
const word = (text: string): Uint8Array => encoder.encode(text);
const vtd = word('vtd_');
const amdvi = word('amdvi_');
const iommuName = word('IOMMU:');
const mapName = word('map:');
const unmapName = word('unmap:');
/** The tracepoints name no device: a log of them is one tenant, 00:02.0 of domain 1. */
const mappedSid = 0x10;
const mappedDomain = 1;
const mib2 = 2 ** 21;
const largestMapping = 2 ** 30;
const translateName = word('dmar_translate ');
const pageHitName = word('iotlb_page_hit ');
const pageUpdateName = word('iotlb_page_update ');
const contextUpdateName = word('iotlb_cc_update ');
const contextHitName = word('iotlb_cc_hit ');
const invalidateName = word('inv_desc_');
const pagesName = word('iotlb_pages ');
const domainName = word('iotlb_domain ');
const globalName = word('iotlb_global');
const contextDeviceName = word('cc_device ');
const contextDevicesName = word('cc_devices ');
const contextGlobalName = word('cc_global');
/** Of VT-d's page-selective command: 2^mask pages (VT-d specification 6.5.2.4, MAMV at most 2^18 pages here). */
const largestAddressMask = 18;
/** Functions that a function mask adds to the one named (VT-d specification 6.5.2.1): bit 2; bits 2 and 1; all three. */
const functionsOfMask = [[0], [0, 4], [0, 2, 4, 6], [0, 1, 2, 3, 4, 5, 6, 7]] as const;
const amdResultName = word('translation_result ');
const amdUpdateName = word('cache_update ');
const amdPagesInvalName = word('pages_inval ');

/**
 * Parses the trace of an unpatched QEMU (specs/capture.md 2): Intel's `vtd_*` events, where the size of the page comes from the
 * `vtd_dmar_translate` that follows each look-up of the same device, AMD's `amdvi_*`, which knows 4 KiB pages only, and Linux's
 * `iommu:map` tracepoints, as ftrace, trace-cmd and perf print them.
 * @param where the log's name, for errors
 */
export function createStockLogParser(events: LogEvents, where = 'log'): StockLogParser {
  return new Parser(events, where);
}

const shownBytes = 120;

class Parser extends LogFields implements StockLogParser {
  lines = 0;
  translations = 0;
  contexts = 0;
  pageInvalidations = 0;
  domainInvalidations = 0;
  withoutDomain = 0;
  readonly #target: LogEvents;
  readonly #where: string;
  /** Line of the first translation of each device that has no domain yet. */
  readonly #unknown = new Map<number, number>();
  readonly #domainOfSid = new Int32Array(65_536).fill(-1);
  /** The look-up whose `vtd_dmar_translate` is still to come; sid -1 = none. */
  readonly #lookup = { sid: -1, iovaLo: 0, iovaHi: 0, slpteLo: 0, slpteHi: 0, domain: 0 };

  constructor(events: LogEvents, where: string) {
    super();
    this.#target = events;
    this.#where = where;
  }

  override end(): void {
    super.end();
    for (const [sid, line] of this.#unknown)
      throw new StrataError({
        code: 'io.no-context',
        what: `translations of a device that no line gives a domain: SID 0x${sid.toString(16)}`,
        where: `${this.#where} line ${line}`,
        expected: 'a vtd_iotlb_cc_update, vtd_iotlb_cc_hit or amdvi_cache_update line of each device',
        mend: 'Record with those events on from the start.',
      });
  }

  protected override line(bytes: Uint8Array, start: number, end: number): void {
    this.lines++;
    const intel = find(bytes, start, end, vtd);
    if (intel !== -1) {
      if (!this.#intel(bytes, intel + vtd.length, end)) this.#refuse(nameAt(bytes, intel, end), bytes, start, end);
      return;
    }
    const amd = find(bytes, start, end, amdvi);
    if (amd === -1) this.#tracepoint(bytes, start, end);
    else if (!this.#amd(bytes, amd + amdvi.length, end)) this.#refuse(nameAt(bytes, amd, end), bytes, start, end);
  }

  /** Linux's `iommu:map` and `iommu:unmap`: what a driver maps, its device uses once, page by page. */
  #tracepoint(bytes: Uint8Array, start: number, end: number): void {
    const at = find(bytes, start, end, iommuName);
    if (at === -1) return;
    // Trace-cmd pads the name of the event.
    let nameEnd = at;
    while (nameEnd > start && bytes[nameEnd - 1] === space) nameEnd--;
    const isOf = (name: Uint8Array) =>
      nameEnd - name.length >= start && startsWith(bytes, nameEnd - name.length, nameEnd, name);
    const isUnmap = isOf(unmapName);
    if (!isUnmap && !(isOf(mapName) && this.#isWordBefore(bytes, start, nameEnd - mapName.length))) return;
    if (!(isUnmap ? this.#unmapped(bytes, at, end) : this.#mapped(bytes, at, end)))
      this.#refuse(isUnmap ? 'iommu:unmap' : 'iommu:map', bytes, start, end);
  }

  #isWordBefore(bytes: Uint8Array, start: number, at: number): boolean {
    return at === start || bytes[at - 1] === space || bytes[at - 1] === colon;
  }

  #mapped(bytes: Uint8Array, at: number, end: number): boolean {
    if (!this.number(bytes, at, end, iovaAssignedLabel)) return false;
    const from = this.value();
    const isRange = this.number(bytes, this.after, end, rangeEnd);
    let to = this.value();
    if (!this.number(bytes, this.after, end, paddrAssignedLabel)) return false;
    const paddr = this.value();
    if (!isRange) {
      if (!this.size(bytes, this.after, end)) return false;
      to = from + this.value();
    }
    if (to <= from) return false;
    if (this.#domainOfSid[mappedSid] === -1) {
      this.contexts++;
      this.#domainOfSid[mappedSid] = mappedDomain;
      this.#target.contextUpdate(0, mappedSid, (mappedDomain << 8) | 1, 0, 1, 0, 0);
    }
    const isHuge = from % mib2 === 0 && to % mib2 === 0 && paddr % mib2 === 0;
    const step = isHuge ? mib2 : 4096;
    // A torn line must not ask for the whole address space.
    const last = Math.min(to, from + largestMapping);
    for (let iova = from; iova < last; iova += step) {
      const entry = paddr + iova - from;
      this.#emit(mappedSid, iova | 0, highOf(iova), -step, -1, entry | 0, highOf(entry), mappedDomain);
    }
    return true;
  }

  #unmapped(bytes: Uint8Array, at: number, end: number): boolean {
    if (!this.number(bytes, at, end, iovaAssignedLabel)) return false;
    const lo = this.lo;
    const hi = this.hi;
    const from = this.value();
    const isRange = this.number(bytes, this.after, end, rangeEnd);
    if (!isRange && !this.size(bytes, this.after, end)) return false;
    const bytesUnmapped = Math.min(this.value() - (isRange ? from : 0), largestMapping);
    this.pageInvalidations++;
    if (bytesUnmapped > 0) this.#target.pagesUnmapped?.(mappedDomain, lo, hi, Math.ceil(bytesUnmapped / 4096));
    return true;
  }

  #refuse(event: string, bytes: Uint8Array, start: number, end: number): never {
    const text = new TextDecoder('latin1').decode(bytes.subarray(start, Math.min(end, start + shownBytes))).trimEnd();
    throw new StrataError({
      code: 'io.log-line',
      what: `a line of ${event} without its fields`,
      where: `${this.#where} line ${this.lines}`,
      expected: 'what the event prints, whole',
      found: text,
      mend: 'Take the line out if the recording was cut there.',
    });
  }

  /** False when a field is missing; so are the others. */
  #intel(bytes: Uint8Array, at: number, end: number): boolean {
    if (startsWith(bytes, at, end, translateName)) return this.#translate(bytes, at, end);
    if (startsWith(bytes, at, end, pageHitName) || startsWith(bytes, at, end, pageUpdateName))
      return this.#pageLookup(bytes, at, end);
    if (startsWith(bytes, at, end, contextUpdateName) || startsWith(bytes, at, end, contextHitName))
      return this.#context(bytes, at, end);
    if (startsWith(bytes, at, end, invalidateName)) return this.#invalidation(bytes, at + invalidateName.length, end);
    return true;
  }

  #invalidation(bytes: Uint8Array, at: number, end: number): boolean {
    const target = this.#target;
    if (startsWith(bytes, at, end, pagesName)) {
      this.pageInvalidations++;
      if (!this.number(bytes, at, end, maskLabel)) return false;
      const pages = 2 ** Math.min(this.lo, largestAddressMask);
      if (!this.number(bytes, at, end, domainLabel)) return false;
      const domain = this.lo & 0xffff;
      if (!this.number(bytes, at, end, addressLabel)) return false;
      target.pagesInvalidated?.(domain, this.lo, this.hi, pages);
    } else if (startsWith(bytes, at, end, domainName)) {
      this.domainInvalidations++;
      if (!this.number(bytes, at, end, domainLabel)) return false;
      target.domainInvalidated?.(this.lo & 0xffff);
    } else if (startsWith(bytes, at, end, globalName)) {
      target.domainInvalidated?.(-1);
    } else if (startsWith(bytes, at, end, contextDeviceName)) {
      const sid = this.device(bytes, at, end, deviceLabel);
      if (sid === -1) return false;
      target.contextInvalidated?.(sid);
    } else if (startsWith(bytes, at, end, contextDevicesName)) {
      if (!this.number(bytes, at, end, functionMaskLabel)) return false;
      // The mask leaves out function bits from the highest on.
      const functions = functionsOfMask[this.lo & 3]!;
      if (!this.number(bytes, at, end, sidLabel)) return false;
      const sid = this.lo & 0xffff;
      for (const bits of functions) target.contextInvalidated?.((sid & ~functions.at(-1)!) | bits);
    } else if (startsWith(bytes, at, end, contextGlobalName)) {
      target.contextInvalidated?.(-1);
    }
    return true;
  }

  #pageLookup(bytes: Uint8Array, at: number, end: number): boolean {
    const lookup = this.#lookup;
    lookup.sid = -1;
    const sid = this.number(bytes, at, end, sidLabel) ? this.lo & 0xffff : -1;
    if (sid === -1 || !this.number(bytes, this.after, end, iovaLabel)) return false;
    lookup.iovaLo = this.lo;
    lookup.iovaHi = this.hi;
    if (!this.number(bytes, this.after, end, slpteLabel)) return false;
    lookup.slpteLo = this.lo;
    lookup.slpteHi = this.hi;
    if (!this.number(bytes, this.after, end, domainLabel)) return false;
    lookup.domain = this.lo & 0xffff;
    lookup.sid = sid;
    return true;
  }

  #translate(bytes: Uint8Array, at: number, end: number): boolean {
    const sid = this.device(bytes, at, end, devLabel);
    if (sid === -1) return false;
    const fields = this.after;
    const lookup = this.#lookup;
    if (lookup.sid === sid) {
      if (!this.number(bytes, fields, end, maskLabel)) return false;
      const { iovaLo, iovaHi, slpteLo, slpteHi, domain } = lookup;
      this.#emit(sid, iovaLo, iovaHi, ~this.lo, ~this.hi, slpteLo, slpteHi, domain);
      lookup.sid = -1;
      return true;
    }
    // Without look-up events the page is known, the place in it is not.
    if (!this.number(bytes, fields, end, iovaLabel)) return false;
    const iovaLo = this.lo;
    const iovaHi = this.hi;
    if (!this.number(bytes, this.after, end, gpaLabel)) return false;
    const frameLo = this.lo;
    const frameHi = this.hi;
    if (!this.number(bytes, this.after, end, maskLabel)) return false;
    const domain = this.#domainOf(sid);
    if (domain !== -1) this.#emit(sid, iovaLo, iovaHi, ~this.lo, ~this.hi, frameLo, frameHi, domain);
    return true;
  }

  #context(bytes: Uint8Array, at: number, end: number): boolean {
    if (!this.number(bytes, at, end, busLabel)) return false;
    const bus = this.lo;
    if (!this.number(bytes, this.after, end, devfnLabel)) return false;
    const devfn = this.lo;
    if (!this.number(bytes, this.after, end, highLabel)) return false;
    const highLo = this.lo;
    const highHi = this.hi;
    if (!this.number(bytes, this.after, end, lowLabel)) return false;
    const sid = ((bus << 8) | devfn) & 0xffff;
    this.contexts++;
    if (this.#learn(sid, (highLo >>> 8) & 0xffff))
      this.#target.contextUpdate(bus, devfn, highLo, highHi, this.lo, this.hi, 0);
    return true;
  }

  #amd(bytes: Uint8Array, at: number, end: number): boolean {
    if (startsWith(bytes, at, end, amdUpdateName)) {
      const sid = this.device(bytes, at, end, devidLabel);
      if (sid === -1 || !this.number(bytes, at, end, domidLabel)) return false;
      const domain = this.lo & 0xffff;
      if (!this.#learn(sid, domain)) return true;
      this.contexts++;
      this.#target.contextUpdate(sid >>> 8, sid & 0xff, (domain << 8) | 1, 0, 1, 0, 0);
    } else if (startsWith(bytes, at, end, amdResultName)) {
      const sid = this.device(bytes, at, end, devidLabel);
      if (sid === -1 || !this.number(bytes, at, end, hpaLabel)) return false;
      const frameLo = this.lo;
      const frameHi = this.hi;
      if (!this.number(bytes, at, end, gpaLabel)) return false;
      const domain = this.#domainOf(sid);
      if (domain !== -1) this.#emit(sid, this.lo, this.hi, -4096, -1, frameLo, frameHi, domain);
    } else if (startsWith(bytes, at, end, amdPagesInvalName)) {
      this.pageInvalidations++;
      if (!this.number(bytes, at, end, domainLabel)) return false;
      this.#target.domainInvalidated?.(this.lo & 0xffff);
    }
    return true;
  }

  /** -1 when no line has given it yet. */
  #domainOf(sid: number): number {
    const domain = this.#domainOfSid[sid]!;
    if (domain !== -1) return domain;
    this.withoutDomain++;
    if (!this.#unknown.has(sid)) this.#unknown.set(sid, this.lines);
    return -1;
  }

  /** Whether the domain is another than before. */
  #learn(sid: number, domain: number): boolean {
    if (this.#domainOfSid[sid] === domain) return false;
    this.#domainOfSid[sid] = domain;
    this.#unknown.delete(sid);
    return true;
  }

  #emit(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    maskLo: number,
    maskHi: number,
    entryLo: number,
    entryHi: number,
    domain: number,
  ): void {
    this.translations++;
    this.#target.pageHit(sid, iovaLo, iovaHi, maskLo, maskHi, entryLo, entryHi, domain);
  }
}

/** Name of the event from its prefix on. */
function nameAt(bytes: Uint8Array, at: number, end: number): string {
  const nameEnd = bytes.subarray(at, end).indexOf(space);
  return new TextDecoder('latin1').decode(bytes.subarray(at, nameEnd === -1 ? end : at + nameEnd));
}

const space = 0x20;
const colon = 0x3a;
const sidLabel = word(' sid 0x');
const iovaLabel = word(' iova 0x');
const slpteLabel = word(' slpte 0x');
const domainLabel = word(' domain 0x');
const maskLabel = word(' mask 0x');
const gpaLabel = word(' gpa 0x');
const hpaLabel = word(' hpa 0x');
const busLabel = word(' bus 0x');
const devfnLabel = word(' devfn 0x');
const highLabel = word(' high 0x');
const lowLabel = word(' low 0x');
const addressLabel = word(' addr 0x');
const deviceLabel = word(' device ');
const functionMaskLabel = word(' fmask 0x');
const domidLabel = word(' domid 0x');
const iovaAssignedLabel = word(' iova=0x');
const rangeEnd = word(' - 0x');
const paddrAssignedLabel = word(' paddr=0x');
const devLabel = word(' dev ');
const devidLabel = word(' devid: ');
