import type { BuildQuirks, LogEvents } from '@strata/model/io';
import { afterSpace, find, hexDigit, LogLines, startsWith } from './log-lines.ts';

/**
 * Parses the collector's text logs over bytes (specs/io.md 1.3): any text before the event's name, then its fields in order as
 * `name 0x<hex>`, each followed by white space. Lines of other events are counted and left alone. Carriage returns end no line, as in
 * the original; `carriageReturns` tells how many lines have one.
 */
export interface CollectorLogParser {
  /** Bytes from anywhere in the stream; a line may span calls. */
  push(bytes: Uint8Array): void;
  /** The last line, if it has no line feed. */
  end(): void;
  readonly lines: number;
  readonly events: number;
  readonly carriageReturns: number;
}

const carriageReturn = 13;
const letterX = 0x78;
const maximumFields = 6;

const encoder = new TextEncoder();
const prefix = encoder.encode('vtd_');

interface EventPattern {
  readonly name: Uint8Array;
  readonly fields: readonly Uint8Array[];
  /** What stands before each field's number in the collector's own lines, from the end of the event's name on. */
  readonly gaps: readonly Uint8Array[];
}

/** @param text between the event's name and its first field, as the collector prints it */
function pattern(name: string, text: string, ...fields: string[]): EventPattern {
  return {
    name: encoder.encode(name),
    fields: fields.map((field) => encoder.encode(field)),
    gaps: fields.map((field, index) =>
      encoder.encode(`${index === 0 ? ` ${text} ` : ' '}${field} ${field === generation ? '' : '0x'}`),
    ),
  };
}

/** Printed in decimal without 0x and read as hexadecimal all the same (quirk Q18). */
const generation = 'gen';
const pageUpdate = pattern('iotlb_page_update', 'IOTLB page update', 'sid', 'iova', 'slpte', 'level', 'domain');
const pageHit = pattern('iotlb_page_hit', 'IOTLB page hit', 'sid', 'iova', 'pmask', 'slpte', 'domain');
const contextUpdate = pattern('iotlb_cc_update', 'IOTLB context update', 'bus', 'devfn', 'high', 'low', generation);
const tableFetch = pattern('slpte_fetch', 'SLPTE fetch:', 'high', 'low', 'iova', 'level', 'addr', 'slpte');

/** Defects of the original's parser; see `BuildQuirks`. */
export type CollectorLogOptions = Pick<BuildQuirks, 'hexGeneration' | 'carriageReturn'>;

/** @param options the original's, when absent */
export function createCollectorLogParser(
  events: LogEvents,
  options: CollectorLogOptions = { hexGeneration: true, carriageReturn: true },
): CollectorLogParser {
  return new Parser(events, options);
}

class Parser extends LogLines implements CollectorLogParser {
  lines = 0;
  events = 0;
  carriageReturns = 0;
  readonly #target: LogEvents;
  readonly #options: CollectorLogOptions;
  /** Signed words: they stay in integer registers. */
  readonly #lo = new Int32Array(maximumFields);
  readonly #hi = new Int32Array(maximumFields);

  constructor(events: LogEvents, options: CollectorLogOptions) {
    super();
    this.#target = events;
    this.#options = options;
  }

  protected override line(bytes: Uint8Array, start: number, lineEnd: number): void {
    this.lines++;
    let end = lineEnd;
    if (end > start && bytes[end - 1] === carriageReturn) {
      this.carriageReturns++;
      // The original's pattern does not let `.` match a carriage return, so such a line yields nothing (quirk Q20).
      if (this.#options.carriageReturn) return;
      end--;
    }
    const name = find(bytes, start, end, prefix);
    if (name === -1) return;
    const at = name + prefix.length;
    if (this.#matches(bytes, at, end, pageUpdate)) this.#pageUpdate();
    else if (this.#matches(bytes, at, end, pageHit)) this.#pageHit();
    else if (this.#matches(bytes, at, end, contextUpdate)) this.#contextUpdate();
    else if (this.#matches(bytes, at, end, tableFetch)) this.#tableFetch();
  }

  #pageUpdate(): void {
    const lo = this.#lo;
    const hi = this.#hi;
    this.events++;
    this.#target.pageUpdate(lo[0]!, lo[1]!, hi[1]!, lo[2]!, hi[2]!, lo[3]!, lo[4]!);
  }

  #pageHit(): void {
    const lo = this.#lo;
    const hi = this.#hi;
    this.events++;
    this.#target.pageHit(lo[0]!, lo[1]!, hi[1]!, lo[2]!, hi[2]!, lo[3]!, hi[3]!, lo[4]!);
  }

  #contextUpdate(): void {
    const lo = this.#lo;
    const hi = this.#hi;
    this.events++;
    this.#target.contextUpdate(lo[0]!, lo[1]!, lo[2]!, hi[2]!, lo[3]!, hi[3]!, lo[4]!);
  }

  #tableFetch(): void {
    const lo = this.#lo;
    const hi = this.#hi;
    this.events++;
    this.#target.tableFetch(lo[0]!, hi[0]!, lo[2]!, hi[2]!, lo[3]!, lo[4]!, hi[4]!, lo[5]!, hi[5]!);
  }

  /** Whether the event of this name stands at `at`, with its fields after it; their values are in `#lo` and `#hi` then. */
  #matches(bytes: Uint8Array, at: number, end: number, { name, fields, gaps }: EventPattern): boolean {
    if (!startsWith(bytes, at, end, name)) return false;
    if (this.#numbersBetween(bytes, at + name.length, end, gaps)) return true;
    const first = fields[0]!;
    for (let from = find(bytes, at + name.length, end, first); from !== -1; from = find(bytes, from + 1, end, first))
      if (this.#fieldsAt(bytes, from, end, fields)) return true;
    return false;
  }

  /** The collector's own lines, which is nearly all there are, are told faster as a whole than field by field. */
  #numbersBetween(bytes: Uint8Array, from: number, end: number, gaps: readonly Uint8Array[]): boolean {
    let at = from;
    for (let field = 0; field < gaps.length; field++) {
      const gap = gaps[field]!;
      if (!startsWith(bytes, at, end, gap)) return false;
      at += gap.length;
      if (bytes[at - 1] !== letterX) return this.#generation(bytes, at, end, field);
      at = this.#hex(bytes, at, end, field);
      if (at === -1) return false;
    }
    return true;
  }

  #generation(bytes: Uint8Array, at: number, end: number, field: number): boolean {
    return this.#options.hexGeneration ? this.#hex(bytes, at, end, field) !== -1 : this.#decimal(bytes, at, end, field);
  }

  #fieldsAt(bytes: Uint8Array, from: number, end: number, fields: readonly Uint8Array[]): boolean {
    let at = from;
    for (let field = 0; field < fields.length; field++) {
      const name = fields[field]!;
      if (!startsWith(bytes, at, end, name)) return false;
      at = afterSpace(bytes, at + name.length, end);
      if (at === -1) return false;
      if (name[0] === generation.charCodeAt(0)) return this.#generation(bytes, at, end, field);
      if (bytes[at] !== 0x30 || bytes[at + 1] !== letterX) return false;
      at = this.#hex(bytes, at + 2, end, field);
      if (at === -1) return false;
      if (field + 1 === fields.length) return true;
      at = afterSpace(bytes, at, end);
      if (at === -1) return false;
    }
    return true;
  }

  #decimal(bytes: Uint8Array, from: number, end: number, field: number): boolean {
    let value = 0;
    let at = from;
    for (; at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39; at++) value = value * 10 + bytes[at]! - 0x30;
    this.#lo[field] = value;
    this.#hi[field] = 0;
    return at > from;
  }

  /** Reads a hexadecimal number into field `field`; returns where it ends, -1 when there is none. */
  #hex(bytes: Uint8Array, from: number, end: number, field: number): number {
    let lo = 0;
    let hi = 0;
    let at = from;
    for (; at < end; at++) {
      const digit = hexDigit(bytes[at]!);
      if (digit === -1) break;
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
    }
    this.#lo[field] = lo;
    this.#hi[field] = hi;
    return at === from ? -1 : at;
  }
}
