import { type Frame, frameLimit, StrataError, type Vpn } from '@strata/model/machine';
import { HexField } from './hex-field.ts';
import { malformed, type TableUnit } from './imported-tables.ts';
import { lineText } from './lines.ts';

const comma = 44;
const columns = 6;
const longestTablesBytes = 4 * 17;
const rowShape = 'six hexadecimal numbers separated by commas: address, root, three tables, page';

/** One row of a DMT dump, read in place. Neighbouring rows mostly name the same tables: equal text is not parsed again. */
export class DmtRow {
  vpn: Vpn = 0;
  /** Columns after the address: root, tables of level 3, 2, 1, page. */
  readonly frames: Float64Array = new Float64Array(columns - 1);

  private readonly path: string;
  private readonly unit: TableUnit;
  private readonly field = new HexField();
  /** Text of the four table columns of the row before, commas included. */
  private readonly tables = new Uint8Array(longestTablesBytes);
  private tablesBytes = 0;

  constructor(path: string, unit: TableUnit) {
    this.path = path;
    this.unit = unit;
  }

  /** @throws StrataError `tables.malformed-line`, `tables.not-a-page`, `tables.frame-out-of-range`, with the line */
  read(bytes: Uint8Array, start: number, end: number, line: number): void {
    const { field } = this;
    if (!field.read(bytes, start, end) || bytes[field.end] !== comma) throw this.malformed(bytes, start, end, line);
    if (field.offset !== 0) throw this.notAPage(line, 'the address in column 1');
    this.vpn = field.page;
    let at = field.end + 1;
    if (this.repeatsTables(bytes, at)) at += this.tablesBytes;
    else at = this.readTables(bytes, at, start, end, line);
    if (!field.read(bytes, at, end) || field.end !== end) throw this.malformed(bytes, start, end, line);
    this.frames[columns - 2] = this.frameOf(columns, line);
  }

  private repeatsTables(bytes: Uint8Array, at: number): boolean {
    const { tables, tablesBytes } = this;
    if (tablesBytes === 0) return false;
    // The last differing digit is the likeliest: backwards.
    for (let index = tablesBytes - 1; index >= 0; index--) if (bytes[at + index] !== tables[index]) return false;
    return true;
  }

  private readTables(bytes: Uint8Array, tablesStart: number, start: number, end: number, line: number): number {
    const { field } = this;
    let at = tablesStart;
    this.tablesBytes = 0;
    for (let column = 2; column < columns; column++) {
      if (!field.read(bytes, at, end) || field.end >= end || bytes[field.end] !== comma)
        throw this.malformed(bytes, start, end, line);
      this.frames[column - 2] = this.frameOf(column, line);
      at = field.end + 1;
    }
    this.tablesBytes = at - tablesStart;
    this.tables.set(bytes.subarray(tablesStart, at));
    return at;
  }

  private frameOf(column: number, line: number): Frame {
    const { field, unit, path } = this;
    if (unit === 'bytes') {
      if (field.offset !== 0) throw this.notAPage(line, `column ${column}`);
      if (field.page < frameLimit) return field.page;
    }
    const frame = field.page * 4096 + field.offset;
    if (unit === 'pfn' && frame < frameLimit) return frame;
    throw new StrataError({
      code: 'tables.frame-out-of-range',
      where: `${path}, line ${line}, column ${column}`,
      what: 'no machine has a frame there',
      expected: unit === 'bytes' ? 'a byte address below 2^52' : 'a frame number below 2^40',
      found: `0x${frame.toString(16)}`,
      mend: unit === 'pfn' ? 'If the columns are byte addresses, say --unit bytes.' : 'Check the dump.',
    });
  }

  private notAPage(line: number, what: string): StrataError {
    const { field, path } = this;
    return new StrataError({
      code: 'tables.not-a-page',
      where: `${path}, line ${line}`,
      what: `${what} is no address of a page`,
      expected: 'a multiple of 0x1000',
      found: `0x${(BigInt(field.page) * 4096n + BigInt(field.offset)).toString(16)}`,
      mend: 'If the table columns are frame numbers, say --unit pfn.',
    });
  }

  private malformed(bytes: Uint8Array, start: number, end: number, line: number): StrataError {
    return malformed(this.path, line, lineText(bytes, start, end), rowShape);
  }
}
