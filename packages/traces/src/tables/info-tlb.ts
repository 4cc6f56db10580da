import { type PageLevel, pagesIn, type Vpn } from '@strata/model/machine';
import {
  collectVmas,
  type ImportedTables,
  malformed,
  noPages,
  type TableFormat,
  type TableSource,
} from './imported-tables.ts';
import { createLeafBuilder } from './leaf-builder.ts';
import { forEachLine, lineText } from './lines.ts';

const rowPattern = /^([0-9a-f]{13})000: ([0-9a-f]{13})000 ([-A-Z]{9})$/;
/** Third letter of the flags: the PS bit of the entry, a huge page. */
const pageSizeFlag = 2;
const rowShape = 'address, physical address and nine flags: `0000000000400000: 0000000003a78000 X---A--U-`';

/** What QEMU's monitor prints for `info tlb`: the leaves of the table that CR3 points to. */
export const infoTlb: TableFormat = {
  name: 'info-tlb',
  summary: "QEMU monitor's `info tlb`: virtual and physical address of every leaf of a VM's current page table",
  recognises: (head) =>
    head
      .split(/\r?\n/)
      .slice(0, 3)
      .some((line) => rowPattern.test(line)),
  read: readInfoTlb,
};

async function readInfoTlb({ path, chunks }: TableSource): Promise<ImportedTables> {
  const builder = createLeafBuilder(path);
  let rows = 0;
  let other = 0;
  await forEachLine(chunks, path, (bytes, start, end, line) => {
    const text = lineText(bytes, start, end);
    const match = rowPattern.exec(text);
    if (match === null) {
      // The monitor's prompt and the command's echo may stand around the table.
      if (/^[0-9a-f]{16}:/.test(text)) throw malformed(path, line, text, rowShape);
      if (text.trim() !== '') other++;
      return;
    }
    const vpn: Vpn = Number.parseInt(match[1]!, 16);
    const frame = Number.parseInt(match[2]!, 16);
    const level: PageLevel = match[3]![pageSizeFlag] === 'P' ? 2 : 1;
    builder.add(vpn, frame, level, line);
    rows++;
  });
  if (rows === 0) throw noPages(path);
  const table = builder.finish();
  const { vmas, add } = collectVmas();
  table.forEachLeaf((vpn, _frame, level) => add(vpn, pagesIn[level]));
  const warnings = [
    'The format does not say where page tables lie: they were put above the highest recorded frame.',
    'The format does not tell 2 MiB from 1 GiB pages: all huge pages were taken for 2 MiB.',
  ];
  if (other > 0) warnings.push(`${other} lines that are no mapping were skipped.`);
  return { format: infoTlb.name, table, vmas, unit: 'bytes', rows, warnings };
}
