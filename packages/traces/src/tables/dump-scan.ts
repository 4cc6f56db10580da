import { frameLimit } from '@strata/model/machine';
import type { TableUnit } from './imported-tables.ts';

/** Rows and bytes scanned at a time. */
export const scannedRows = 1024;
const scannedBytes = 65_536;
const tableColumns = 4;
const columns = 6;
const longestHex = 16;
const lineFeed = 10;
const carriageReturn = 13;
const comma = 44;

/** What a scan found. */
export interface ScannedRows {
  /** Whole lines taken, each of which is a row. */
  rows: number;
  /** Bytes of these lines. */
  bytes: number;
  /** By row. */
  readonly vpn: Float64Array;
  readonly frame: Float64Array;
  /** By row: which of the sets of tables. */
  readonly tableSet: Uint16Array;
  /** Root and tables of level 3, 2, 1 of each set. */
  readonly tables: Float64Array;
}

export interface DumpScan {
  readonly found: ScannedRows;
  /**
   * Takes the rows that `bytes` has from `start` on, up to a line that is not whole, is no row, or names an address or frame that a table
   * cannot have: that line is for the reader that says what is wrong with it.
   */
  scan(bytes: Uint8Array, start: number, unit: TableUnit): void;
}

const digitOf = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  digitOf[digit.toString(16).charCodeAt(0)] = digit;
  digitOf[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/** One loop over bytes and arrays of its own, so that V8 compiles it with their addresses as constants; hence one for all readers. */
function createDumpScan(): DumpScan {
  const text = new Uint8Array(scannedBytes + 1);
  const digits = digitOf.slice();
  const vpn = new Float64Array(scannedRows);
  const frame = new Float64Array(scannedRows);
  const tableSet = new Uint16Array(scannedRows);
  const tables = new Float64Array(tableColumns * scannedRows);
  /** Of the row at hand: numbers divided by 4096, and modulo. */
  const pages = new Float64Array(columns);
  const offsets = new Int32Array(columns);
  const found: ScannedRows = { rows: 0, bytes: 0, vpn, frame, tableSet, tables };
  let set = 0;

  function scan(bytes: Uint8Array, start: number, unit: TableUnit): void {
    const end = Math.min(bytes.length - start, scannedBytes);
    text.set(bytes.subarray(start, start + end));
    // Nothing that a loop accepts, so that none needs to compare its place with the end.
    text[end] = 0;
    set = -1;
    scanText(unit === 'bytes');
  }

  function scanText(inBytes: boolean): void {
    let rows = 0;
    let lineStart = 0;
    /** Where the text of the tables of the last set stands. */
    let tablesStart = -1;
    let tablesEnd = -1;
    while (rows < scannedRows) {
      let at = number(lineStart, 0);
      if (at < 0 || text[at] !== comma || offsets[0] !== 0) break;
      at++;
      const same = tablesStart < 0 ? -1 : sameText(at, tablesStart, tablesEnd);
      if (same >= 0) at = same;
      else {
        const first = at;
        at = readTables(first, inBytes);
        if (at < 0) break;
        tablesStart = first;
        tablesEnd = at;
      }
      at = number(at, columns - 1);
      if (at < 0) break;
      const target = frameOf(columns - 1, inBytes);
      if (target < 0) break;
      if (text[at] === carriageReturn) at++;
      if (text[at] !== lineFeed) break;
      vpn[rows] = pages[0]!;
      frame[rows] = target;
      tableSet[rows] = set;
      rows++;
      lineStart = at + 1;
    }
    found.rows = rows;
    found.bytes = lineStart;
  }

  /** Reads a hexadecimal number into column `column`; returns where it ends, -1 when it is none of up to 64 bits. */
  function number(start: number, column: number): number {
    let at = start;
    let high = 0;
    let low = 0;
    for (let digit = digits[text[at]!]!; digit >= 0; digit = digits[text[++at]!]!) {
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    if (at === start || at - start > longestHex) return -1;
    pages[column] = (high >>> 0) * 2 ** 20 + (low >>> 12);
    offsets[column] = low & 4095;
    return at;
  }

  /** The place after the text that equals that from `from` to `to`, -1 when another stands there. */
  function sameText(start: number, from: number, to: number): number {
    let at = start;
    for (let before = from; before < to; before++, at++) if (text[at] !== text[before]) return -1;
    return at;
  }

  /** Reads root and tables as a new set; returns where the last column begins, -1 when they are none. */
  function readTables(start: number, inBytes: boolean): number {
    let at = start;
    const to = tableColumns * (set + 1);
    for (let column = 1; column <= tableColumns; column++) {
      at = number(at, column);
      if (at < 0 || text[at] !== comma) return -1;
      const target = frameOf(column, inBytes);
      if (target < 0) return -1;
      tables[to + column - 1] = target;
      at++;
    }
    set++;
    return at;
  }

  function frameOf(column: number, inBytes: boolean): number {
    const page = pages[column]!;
    const offset = offsets[column]!;
    if (inBytes) return offset === 0 && page < frameLimit ? page : -1;
    const number = page * 4096 + offset;
    return number < frameLimit ? number : -1;
  }

  return { found, scan };
}

export const dumpScan: DumpScan = createDumpScan();
