import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { type Frame, type PageTable, pagesIn, StrataError } from '@strata/model/machine';
import { refuseNonFile, unwritable } from '../output/index.ts';
import type { TableUnit } from './imported-tables.ts';

export interface DmtDumpOptions {
  /** What the table columns are written in. Default `bytes`, which the original simulators read. */
  readonly unit?: TableUnit;
}

const rowsPerPiece = 4096;

/**
 * A table as a DMT dump with the count in line 1, handed to `write` in pieces of text. Huge leaves are expanded to 4 KiB rows as the
 * artifact's module does: the columns of the missing tables name frames in the page itself.
 * @throws StrataError `tables.five-levels`: the format has no column for the fifth
 */
export function formatDmtDump(
  table: PageTable,
  write: (text: string) => void,
  { unit = 'bytes' }: DmtDumpOptions = {},
): void {
  if (table.levels !== 4)
    throw new StrataError({
      code: 'tables.five-levels',
      what: 'a DMT dump cannot hold a table of five levels',
      expected: 'a table of four levels',
    });
  const inUnit = (frame: Frame) => (unit === 'pfn' || frame === 0 ? frame.toString(16) : `${frame.toString(16)}000`);
  let piece = [`${String(table.mappedPages).padStart(16, '0')}\n`];
  table.forEachLeaf((vpn, frame, level) => {
    const node = (of: number) => inUnit(table.frameOf(table.nodeAt(vpn, of)));
    const upper = `${node(4)},${node(3)},${level === 3 ? inUnit(frame) : node(2)}`;
    for (let offset = 0; offset < pagesIn[level]; offset++) {
      const last = level === 1 ? node(1) : inUnit(frame + offset - (offset % pagesIn[2]));
      const address = `${(vpn + offset).toString(16)}000`.padStart(16, '0');
      piece.push(`${address},${upper},${last},${inUnit(frame + offset)}\n`);
      if (piece.length < rowsPerPiece) continue;
      write(piece.join(''));
      piece = [];
    }
  });
  write(piece.join(''));
}

/**
 * Writes a DMT dump to a file, which appears when it is complete.
 * @throws StrataError as `formatDmtDump`, and `output.unwritable`
 */
export function writeDmtDump(path: string, table: PageTable, options: DmtDumpOptions = {}): void {
  refuseNonFile(path);
  const partial = `${path}.${process.pid}.partial`;
  try {
    const file = openSync(partial, 'w');
    try {
      formatDmtDump(table, (text) => writeSync(file, text), options);
      renameSync(partial, path);
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}
