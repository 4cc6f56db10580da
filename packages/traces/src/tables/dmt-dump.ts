import { StrataError } from '@strata/model/machine';
import { DmtRow } from './dmt-row.ts';
import { likelyUnit, recogniseUnit } from './dmt-unit.ts';
import { DumpBuilder } from './dump-builder.ts';
import { dumpScan, type ScannedRows } from './dump-scan.ts';
import {
  collectVmas,
  type ImportedTables,
  malformed,
  noPages,
  type TableFormat,
  type TableOptions,
  type TableSource,
  type TableUnit,
} from './imported-tables.ts';
import { forEachLine, type LineVisitor, lineText } from './lines.ts';

const nothing = { bytes: 0, rows: 0 };
const headerPattern = /^( *)(\d+)$/;

/** The DMT artifact's dumps of a process's table or a VM's EPT (eval/dump_pagetables): one row per present 4 KiB page. */
export const dmtDump: TableFormat = {
  name: 'dmt-dump',
  summary: 'DMT artifact: count, then VA,root,P4D,PUD,PMD,PTE targets per 4 KiB page (byte addresses or frame numbers)',
  recognises: (head) =>
    /^ *\d+\r?\n(0x)?[0-9a-f]{1,16}(,[0-9a-f]|\r?$)/i.test(head) || /^[0-9a-f]{16}(,[0-9a-f]+){5}\r?\n/i.test(head),
  read: readDmtDump,
};

async function readDmtDump(source: TableSource, options: TableOptions): Promise<ImportedTables> {
  const { path } = source;
  const { addresses = 'virtual', foldHugePages = false } = options;
  const builder = new DumpBuilder({ path, addresses, foldHugePages });
  const { vmas, add: addToVmas } = collectVmas();
  let unit = options.unit;
  let header: Header | undefined;
  let rowReader: DmtRow | undefined;
  let rows = 0;

  const { found } = dumpScan;
  const columns = new Float64Array(5);
  /** Hands well-formed rows on in bulk, once the line that says their unit has been read. */
  function takeRows(bytes: Uint8Array, start: number, firstLine: number): { bytes: number; rows: number } {
    if (unit === undefined) return nothing;
    dumpScan.scan(bytes, start, unit);
    for (let row = 0; row < found.rows; ) {
      const end = endOfRun(found, row);
      const tables = 4 * found.tableSet[row]!;
      for (let column = 0; column < 4; column++) columns[column] = found.tables[tables + column]!;
      builder.addRun(found.vpn[row]!, columns, found.frame, row, end, firstLine + row);
      addToVmas(found.vpn[row]!, end - row);
      row = end;
    }
    rows += found.rows;
    return found;
  }

  const visit: LineVisitor = (bytes, start, end, line) => {
    if (line === 1) {
      header = readHeader(lineText(bytes, start, end), path);
      return;
    }
    if (start === end) return;
    unit ??= recogniseUnit(source.head, path);
    rowReader ??= new DmtRow(path, unit);
    rowReader.read(bytes, start, end, line);
    builder.add(rowReader.vpn, rowReader.frames, line);
    addToVmas(rowReader.vpn, 1);
    rows++;
  };
  const { ended } = await forEachLine(source.chunks, path, visit, takeRows);
  builder.finish();
  if (header?.kind === 'count' && header.value !== rows) throw wrongCount(header.value, rows, path);
  if (builder.table === undefined || unit === undefined) throw noPages(path);
  return {
    format: dmtDump.name,
    table: builder.table,
    vmas,
    unit,
    rows,
    warnings: [...unitWarnings(unit, likelyUnit(source.head)), ...warningsAbout(builder, ended, foldHugePages)],
  };
}

/** Row after the consecutive pages from `first` on that are in the same 2 MiB and name the same tables. */
function endOfRun({ rows, vpn, tableSet }: ScannedRows, first: number): number {
  const set = tableSet[first]!;
  let next = vpn[first]! + 1;
  let left = 512 - (vpn[first]! % 512);
  let row = first + 1;
  while (row < rows && --left > 0 && vpn[row] === next && tableSet[row] === set) {
    row++;
    next++;
  }
  return row;
}

/** The kernel module writes the process id right-aligned by blanks; the artifact's scripts overwrite it with the count of rows. */
interface Header {
  readonly kind: 'count' | 'pid';
  readonly value: number;
}

function readHeader(text: string, path: string): Header {
  const match = headerPattern.exec(text);
  if (match === null)
    throw malformed(path, 1, text, 'the count of rows, or a process id padded with blanks, in decimal');
  return { kind: match[1] === '' ? 'count' : 'pid', value: Number(match[2]) };
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

function unitWarnings(unit: TableUnit, likely: TableUnit | undefined): string[] {
  if (unit === 'bytes') return [];
  return likely === 'bytes'
    ? [
        'The table columns look like byte addresses, all multiples of 0x1000, and are taken for frame numbers, as asked for: every physical address is 4096 times too large. Leave the unit out, or say bytes.',
      ]
    : [
        'The table columns are frame numbers, as the published dumper prints them. The original simulators take them for byte addresses, so their figures on this file mean nothing; here they are read as frames.',
      ];
}

function warningsAbout(builder: DumpBuilder, ended: boolean, folded: boolean): string[] {
  const warnings: string[] = [];
  const expanded = [
    builder.expanded2m > 0 ? `${builder.expanded2m} of 2 MiB` : '',
    builder.expanded1g > 0 ? `${builder.expanded1g} of 1 GiB` : '',
  ].filter((text) => text !== '');
  if (expanded.length > 0)
    warnings.push(
      folded
        ? `Huge pages (${expanded.join(', ')}) that the dumper had expanded to 4 KiB rows were made huge leaves again.`
        : `Huge pages (${expanded.join(', ')}) are expanded to 4 KiB rows whose lower tables lie inside the page: such tables do not exist, and walks of them are too long. Fold them into huge leaves to model the machine.`,
    );
  if (!ended) warnings.push('The last line has no line break: the file may be cut off in it.');
  return warnings;
}
