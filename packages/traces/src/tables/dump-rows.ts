import { StrataError } from '@strata/model/machine';
import { openInput } from '../input/input.ts';
import { dmtDump } from './dmt-dump.ts';
import { likelyUnit } from './dmt-unit.ts';
import { HexField } from './hex-field.ts';
import { malformed, type TableUnit } from './imported-tables.ts';
import { forEachLine, lineText } from './lines.ts';

/**
 * A row of a DMT dump exactly as written, which no consistent page table need be behind: the address (`page` and byte `offset` in it)
 * and the other columns (root, three tables, data page) as they stand, unit and all. `columns` is reused.
 */
export type DumpRowVisitor = (page: number, offset: number, columns: Float64Array, line: number) => void;

export interface DumpRows {
  /** What line 1 says; undefined when it is a process id. */
  readonly announced: number | undefined;
  readonly rows: number;
  /** Unit that the file seems to be in; undefined when that would be a guess. */
  readonly likelyUnit: TableUnit | undefined;
}

const comma = 44;
const tableColumns = 5;

/**
 * Reads a DMT dump row by row without building a table, compressed or not. Returns undefined when the file is none.
 * @throws StrataError `tables.malformed-line` with the line, `tables.count-mismatch`, and what opening the file finds
 */
export async function readDumpRows(
  path: string,
  visit: DumpRowVisitor,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<DumpRows | undefined> {
  const input = await openInput(path, signal === undefined ? {} : { signal });
  try {
    if (!dmtDump.recognises(new TextDecoder('latin1').decode(input.head))) return undefined;
    const address = new HexField();
    const field = new HexField();
    const columns = new Float64Array(tableColumns);
    let announced: number | undefined;
    let rows = 0;
    await forEachLine(input.chunks, path, (bytes, start, end, line) => {
      if (line === 1) {
        announced = announcedRows(lineText(bytes, start, end), path);
        return;
      }
      if (start === end) return;
      if (rows % 65_536 === 0) signal?.throwIfAborted();
      let readable = address.read(bytes, start, end);
      let at = address.end;
      for (let column = 0; readable && column < tableColumns; column++) {
        readable = at < end && bytes[at] === comma && field.read(bytes, at + 1, end);
        columns[column] = field.page * 4096 + field.offset;
        at = field.end;
      }
      if (!readable || at !== end)
        throw malformed(
          path,
          line,
          lineText(bytes, start, end),
          'six hexadecimal numbers separated by commas: address, root, three tables, page',
        );
      visit(address.page, address.offset, columns, line);
      rows++;
    });
    if (announced !== undefined && announced !== rows) throw wrongCount(announced, rows, path);
    return { announced, rows, likelyUnit: likelyUnit(input.head) };
  } finally {
    await input.close();
  }
}

/** The kernel module writes a process id padded with blanks, which the artifact's scripts overwrite with the count of rows. */
function announcedRows(text: string, path: string): number | undefined {
  if (!/^ *\d+$/.test(text)) throw malformed(path, 1, text, 'the count of rows, or a process id, in decimal');
  return text.startsWith(' ') ? undefined : Number(text);
}

function wrongCount(expected: number, found: number, path: string): StrataError {
  return new StrataError({
    code: 'tables.count-mismatch',
    where: `${path}, line 1`,
    what: 'the count in line 1 is not the number of rows',
    expected: `${expected} rows`,
    found: `${found}`,
    mend: 'The dump is truncated or was edited: copy it again, or correct line 1.',
  });
}
