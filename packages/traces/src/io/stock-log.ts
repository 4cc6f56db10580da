import type { LogEvents } from '@strata/model/io';
import { find, hexDigit, LogLines, startsWith } from './log-lines.ts';

/** What a stock log tells besides translations: invalidations that the IOMMU's driver asked for. */
export interface StockLogCounts {
  readonly lines: number;
  readonly translations: number;
  readonly contexts: number;
  readonly pageInvalidations: number;
  readonly domainInvalidations: number;
  /** Translations whose device no line before has given a domain. */
  readonly withoutDomain: number;
}

export interface StockLogParser extends StockLogCounts {
  push(bytes: Uint8Array): void;
  end(): void;
}

const encoder = new TextEncoder();
const word = (text: string): Uint8Array => encoder.encode(text);
const vtd = word('vtd_');
const amdvi = word('amdvi_');
const mapName = word('map: IOMMU:');
const unmapName = word('unmap: IOMMU:');
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
const invalidatePagesName = word('inv_desc_iotlb_pages ');
const invalidateDomainName = word('inv_desc_iotlb_domain ');
const amdResultName = word('translation_result ');
const amdUpdateName = word('cache_update ');
const amdPagesInvalName = word('pages_inval ');

/**
 * Parses the trace of an unpatched QEMU (specs/capture.md 2): Intel's `vtd_*` events, where the size of the page comes from the
 * `vtd_dmar_translate` that follows each look-up of the same device, AMD's `amdvi_*`, which knows 4 KiB pages only, and Linux's
 * `iommu:map` tracepoints.
 */
export function createStockLogParser(events: LogEvents): StockLogParser {
  return new Parser(events);
}

class Parser extends LogLines implements StockLogParser {
  lines = 0;
  translations = 0;
  contexts = 0;
  pageInvalidations = 0;
  domainInvalidations = 0;
  withoutDomain = 0;
  readonly #target: LogEvents;
  readonly #domainOfSid = new Int32Array(65_536).fill(-1);
  /** The look-up whose `vtd_dmar_translate` is still to come; sid -1 = none. */
  readonly #lookup = { sid: -1, iovaLo: 0, iovaHi: 0, slpteLo: 0, slpteHi: 0, domain: 0 };
  /** The number read last, as signed words: they stay in integer registers. */
  #lo = 0;
  #hi = 0;
  /** Where what was read last ends: the next field is looked for from there. */
  #after = 0;

  constructor(events: LogEvents) {
    super();
    this.#target = events;
  }

  protected override line(bytes: Uint8Array, start: number, end: number): void {
    this.lines++;
    const intel = find(bytes, start, end, vtd);
    if (intel !== -1) {
      this.#intel(bytes, intel + vtd.length, end);
      return;
    }
    const amd = find(bytes, start, end, amdvi);
    if (amd !== -1) this.#amd(bytes, amd + amdvi.length, end);
    else this.#tracepoint(bytes, start, end);
  }

  /** Linux's `iommu:map` and `iommu:unmap`: what a driver maps, its device uses once, page by page. */
  #tracepoint(bytes: Uint8Array, start: number, end: number): void {
    if (find(bytes, start, end, unmapName) !== -1) {
      this.pageInvalidations++;
      return;
    }
    const at = find(bytes, start, end, mapName);
    if (at === -1 || !this.#number(bytes, at, end, iovaAssignedLabel)) return;
    const from = this.#value();
    if (!this.#number(bytes, this.#after, end, rangeEnd)) return;
    const to = this.#value();
    if (!this.#number(bytes, this.#after, end, paddrAssignedLabel)) return;
    const paddrLo = this.#lo;
    const paddrHi = this.#hi;
    if (this.#domainOfSid[mappedSid] === -1) {
      this.contexts++;
      this.#domainOfSid[mappedSid] = mappedDomain;
      this.#target.contextUpdate(0, mappedSid, (mappedDomain << 8) | 1, 0, 1, 0, 0);
    }
    const isHuge = from % mib2 === 0 && to % mib2 === 0 && paddrLo % mib2 === 0;
    const step = isHuge ? mib2 : 4096;
    // A torn line must not ask for the whole address space.
    const last = Math.min(to, from + largestMapping);
    for (let iova = from; iova < last; iova += step)
      this.#emit(mappedSid, iova | 0, Math.floor(iova / 2 ** 32) | 0, -step, -1, paddrLo, paddrHi, mappedDomain);
  }

  #intel(bytes: Uint8Array, at: number, end: number): void {
    if (startsWith(bytes, at, end, translateName)) this.#translate(bytes, at, end);
    else if (startsWith(bytes, at, end, pageHitName) || startsWith(bytes, at, end, pageUpdateName))
      this.#pageLookup(bytes, at, end);
    else if (startsWith(bytes, at, end, contextUpdateName) || startsWith(bytes, at, end, contextHitName))
      this.#context(bytes, at, end);
    else if (startsWith(bytes, at, end, invalidatePagesName)) this.pageInvalidations++;
    else if (startsWith(bytes, at, end, invalidateDomainName)) this.domainInvalidations++;
  }

  #pageLookup(bytes: Uint8Array, at: number, end: number): void {
    const lookup = this.#lookup;
    lookup.sid = -1;
    const sid = this.#number(bytes, at, end, sidLabel) ? this.#lo & 0xffff : -1;
    if (sid === -1 || !this.#number(bytes, this.#after, end, iovaLabel)) return;
    lookup.iovaLo = this.#lo;
    lookup.iovaHi = this.#hi;
    if (!this.#number(bytes, this.#after, end, slpteLabel)) return;
    lookup.slpteLo = this.#lo;
    lookup.slpteHi = this.#hi;
    if (!this.#number(bytes, this.#after, end, domainLabel)) return;
    lookup.domain = this.#lo & 0xffff;
    lookup.sid = sid;
  }

  #translate(bytes: Uint8Array, at: number, end: number): void {
    const sid = this.#device(bytes, at, end, devLabel);
    if (sid === -1) return;
    const fields = this.#after;
    const lookup = this.#lookup;
    if (lookup.sid === sid) {
      if (!this.#number(bytes, fields, end, maskLabel)) return;
      const { iovaLo, iovaHi, slpteLo, slpteHi, domain } = lookup;
      this.#emit(sid, iovaLo, iovaHi, ~this.#lo, ~this.#hi, slpteLo, slpteHi, domain);
      lookup.sid = -1;
      return;
    }
    // Without look-up events the page is known, the place in it is not.
    if (!this.#number(bytes, fields, end, iovaLabel)) return;
    const iovaLo = this.#lo;
    const iovaHi = this.#hi;
    if (!this.#number(bytes, this.#after, end, gpaLabel)) return;
    const frameLo = this.#lo;
    const frameHi = this.#hi;
    if (!this.#number(bytes, this.#after, end, maskLabel)) return;
    const domain = this.#domainOfSid[sid]!;
    if (domain === -1) this.withoutDomain++;
    else this.#emit(sid, iovaLo, iovaHi, ~this.#lo, ~this.#hi, frameLo, frameHi, domain);
  }

  #context(bytes: Uint8Array, at: number, end: number): void {
    if (!this.#number(bytes, at, end, busLabel)) return;
    const bus = this.#lo;
    if (!this.#number(bytes, this.#after, end, devfnLabel)) return;
    const devfn = this.#lo;
    if (!this.#number(bytes, this.#after, end, highLabel)) return;
    const highLo = this.#lo;
    const highHi = this.#hi;
    if (!this.#number(bytes, this.#after, end, lowLabel)) return;
    const sid = ((bus << 8) | devfn) & 0xffff;
    this.contexts++;
    if (this.#domainOfSid[sid] === ((highLo >>> 8) & 0xffff)) return;
    this.#domainOfSid[sid] = (highLo >>> 8) & 0xffff;
    this.#target.contextUpdate(bus, devfn, highLo, highHi, this.#lo, this.#hi, 0);
  }

  #amd(bytes: Uint8Array, at: number, end: number): void {
    if (startsWith(bytes, at, end, amdUpdateName)) {
      const sid = this.#device(bytes, at, end, devidLabel);
      if (sid === -1 || !this.#number(bytes, at, end, domidLabel)) return;
      const domain = this.#lo & 0xffff;
      if (this.#domainOfSid[sid] === domain) return;
      this.contexts++;
      this.#domainOfSid[sid] = domain;
      this.#target.contextUpdate(sid >>> 8, sid & 0xff, (domain << 8) | 1, 0, 1, 0, 0);
    } else if (startsWith(bytes, at, end, amdResultName)) {
      const sid = this.#device(bytes, at, end, devidLabel);
      if (sid === -1 || !this.#number(bytes, at, end, hpaLabel)) return;
      const frameLo = this.#lo;
      const frameHi = this.#hi;
      if (!this.#number(bytes, at, end, gpaLabel)) return;
      const domain = this.#domainOfSid[sid]!;
      if (domain === -1) this.withoutDomain++;
      else this.#emit(sid, this.#lo, this.#hi, -4096, -1, frameLo, frameHi, domain);
    } else if (startsWith(bytes, at, end, amdPagesInvalName)) {
      this.pageInvalidations++;
    }
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

  /** Reads the hexadecimal number after `label` into `#lo` and `#hi`. */
  #number(bytes: Uint8Array, from: number, end: number, label: Uint8Array): boolean {
    let at = find(bytes, from, end, label);
    if (at === -1) return false;
    at += label.length;
    let lo = 0;
    let hi = 0;
    const first = at;
    for (; at < end; at++) {
      const digit = hexDigit(bytes[at]!);
      if (digit === -1) break;
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
    }
    this.#lo = lo;
    this.#hi = hi;
    this.#after = at;
    return at > first;
  }

  #value(): number {
    return (this.#hi >>> 0) * 2 ** 32 + (this.#lo >>> 0);
  }

  /** Source of `bus:slot.function` in hexadecimal after `label`, or -1. */
  #device(bytes: Uint8Array, from: number, end: number, label: Uint8Array): number {
    let at = find(bytes, from, end, label);
    if (at === -1) return -1;
    at += label.length;
    let sid = 0;
    for (let part = 0; part < 3; part++) {
      const first = at;
      let value = 0;
      for (; at < end; at++) {
        const digit = hexDigit(bytes[at]!);
        if (digit === -1) break;
        value = (value << 4) | digit;
      }
      if (at === first || (part < 2 && bytes[at] !== separators[part])) return -1;
      at++;
      sid |= (part === 2 ? value & 7 : value) << shifts[part]!;
    }
    this.#after = at - 1;
    return sid & 0xffff;
  }
}

/** Between bus, slot and function, and where they are in a source identifier. */
const separators = [0x3a, 0x2e];
const shifts = [8, 3, 0];
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
const domidLabel = word(' domid 0x');
const iovaAssignedLabel = word(' iova=0x');
const rangeEnd = word(' - 0x');
const paddrAssignedLabel = word(' paddr=0x');
const devLabel = word(' dev ');
const devidLabel = word(' devid: ');
