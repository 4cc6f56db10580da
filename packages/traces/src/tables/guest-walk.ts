import {
  createPageTable,
  type Frame,
  frameLimit,
  hexAddress,
  type MutablePageTable,
  type PageLevel,
  pagesIn,
  StrataError,
  type Vpn,
} from '@strata/model/machine';
import { HexField } from './hex-field.ts';
import {
  atLine,
  collectVmas,
  type ImportedTables,
  malformed,
  noPages,
  type TableFormat,
  type TableSource,
} from './imported-tables.ts';
import { forEachLine, lineText } from './lines.ts';

const rowShape =
  'address, level, entry and address of the entry, then T (table) or L (leaf): `400000 2 57a5067 57d2010 T`';
const rowPattern = /^([0-9a-f]{1,16}) ([1-5]) ([0-9a-f]{1,16}) ([0-9a-f]{1,16}) ([TL])$/i;

/** A guest's page table read out of its memory file: every entry, tables before what they hold. */
export const guestWalk: TableFormat = {
  name: 'guest-walk',
  summary: 'page table of a VM read from outside: va level entry entry_pa T|L, after the value of CR3',
  recognises: (head) => /^# cr3 [0-9a-f]+/i.test(head) || rowPattern.test(head.split(/\r?\n/, 1)[0]!),
  read: readGuestWalk,
};

interface Row {
  readonly vpn: Vpn;
  readonly level: number;
  /** Frame that the entry points to: a table or a page. */
  readonly target: Frame;
  /** Frame of the table that holds the entry. */
  readonly holder: Frame;
  readonly isLeaf: boolean;
}

async function readGuestWalk({ path, chunks }: TableSource): Promise<ImportedTables> {
  const field = new HexField();
  const { vmas, add: addToVmas } = collectVmas();
  let table: MutablePageTable | undefined;
  // Frame of every table, by level and range, as the row of the level above named it. Rows may come depth first or tables first.
  const tables = new Map<number, Frame>();
  let rootLevel = 0;
  let rows = 0;

  await forEachLine(chunks, path, (bytes, start, end, line) => {
    if (start === end || bytes[start] === 35) return;
    const text = lineText(bytes, start, end);
    const row = readRow(text, field);
    if (row === undefined) throw malformed(path, line, text, rowShape);
    if (table === undefined) {
      if (row.level < 4) throw malformed(path, line, text, 'an entry of the root table (level 4 or 5) first');
      table = createPageTable({ levels: row.level as 4 | 5, rootFrame: row.holder });
      rootLevel = row.level;
      tables.set(0, row.holder);
    }
    const holder = tables.get(row.level === rootLevel ? 0 : tableKey(row.vpn, row.level));
    if (row.level > rootLevel || holder !== row.holder) throw notInTable(path, line, row, holder);
    if (!row.isLeaf) {
      if (row.level === 1) throw malformed(path, line, text, 'a leaf on level 1');
      tables.set(tableKey(row.vpn, row.level - 1), row.target);
      return;
    }
    if (row.level > 3) throw malformed(path, line, text, 'leaves on levels 1 to 3');
    const level = row.level as PageLevel;
    try {
      table.map(
        row.vpn,
        row.target - (row.target % pagesIn[level]),
        level,
        (node, first) => tables.get(tableKey(first, node))!,
      );
    } catch (error) {
      throw atLine(error, path, line);
    }
    addToVmas(row.vpn, pagesIn[level]);
    rows++;
  });
  if (table === undefined || rows === 0) throw noPages(path);
  return { format: guestWalk.name, table, vmas, unit: 'bytes', rows, warnings: [] };
}

/** Tables of level 1 to 4 by the range that they cover; 0 is the root's. */
function tableKey(vpn: Vpn, level: number): number {
  return Math.floor(vpn / 512 ** level) * 8 + level;
}

function readRow(text: string, field: HexField): Row | undefined {
  const match = rowPattern.exec(text);
  if (match === null) return undefined;
  const pageOf = (digits: string) => {
    field.read(new TextEncoder().encode(digits), 0, digits.length);
    return field.page;
  };
  return {
    vpn: pageOf(match[1]!),
    level: Number(match[2]),
    // Bits 52 to 63 of an entry are flags (NX, protection keys).
    target: pageOf(match[3]!) % frameLimit,
    holder: pageOf(match[4]!),
    isLeaf: match[5]!.toUpperCase() === 'L',
  };
}

function notInTable(path: string, line: number, { vpn, level, holder }: Row, expected: Frame | undefined): StrataError {
  return new StrataError({
    code: 'tables.contradiction',
    where: `${path}, line ${line}`,
    what: `the level-${level} entry for ${hexAddress(vpn)} is not in the table that the level above names`,
    expected: expected === undefined ? 'a row for the level above first' : hexAddress(expected),
    found: hexAddress(holder),
    mend: 'Tables must come before their entries; stop the VM while walking its tables.',
  });
}
