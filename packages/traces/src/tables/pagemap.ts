import { frameLimit, pagesIn, type Vma, type Vpn } from '@strata/model/machine';
import { HexField } from './hex-field.ts';
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
import { readMapsLine } from './maps.ts';

const blank = 32;
const hash = 35;
/** Bits of /proc/kpageflags (Linux, include/uapi/linux/kernel-page-flags.h): KPF_HUGE 17, KPF_THP 22. */
const hugeFlags = 2 ** 17 + 2 ** 22;
const rowShape = 'address, frame number and page flags in hexadecimal, then mapcount and flags, separated by blanks';

/** What `strata capture` and the capture scripts make of /proc/PID/pagemap, kpageflags and maps: one line per present page. */
export const pagemapDump: TableFormat = {
  name: 'pagemap',
  summary: 'pages of a live process: va pfn kpageflags mapcount flags, with lines of /proc/PID/maps as comments',
  recognises: (head) => /^(#[^\n]*\r?\n)*[0-9a-f]{1,16} [0-9a-f]{1,14} [0-9a-f]{1,16} \d+ [-a-z]+\r?$/m.test(head),
  read: readPagemap,
};

async function readPagemap({ path, chunks }: TableSource): Promise<ImportedTables> {
  const builder = createLeafBuilder(path);
  const recorded: Vma[] = [];
  const field = new HexField();
  let rows = 0;
  let withoutFrame = 0;
  let hugePages = 0;
  // How many pages up to here continue an aligned huge page.
  let run = 0;
  let runFrame = 0;

  await forEachLine(chunks, path, (bytes, start, end, line) => {
    if (start === end) return;
    if (bytes[start] === hash) {
      const vma = readMapsLine(lineText(bytes, start, end));
      if (vma !== undefined) recorded.push(vma);
      return;
    }
    const wrong = () => malformed(path, line, lineText(bytes, start, end), rowShape);
    const next = (from: number) => {
      if (!field.read(bytes, from, end) || (field.end < end && bytes[field.end] !== blank)) throw wrong();
      return field.end + 1;
    };
    let at = next(start);
    if (field.offset !== 0) throw wrong();
    const vpn: Vpn = field.page;
    at = next(at);
    const frame = field.page * 4096 + field.offset;
    if (frame >= frameLimit) throw wrong();
    next(at);
    const isHuge = (((field.page % 2 ** 20) * 4096 + field.offset) & hugeFlags) !== 0;
    rows++;
    if (frame === 0) {
      withoutFrame++;
      builder.addWithoutFrame(vpn, line);
      return;
    }
    builder.add(vpn, frame, 1, line);
    if (isHuge && vpn % pagesIn[2] === 0 && frame % pagesIn[2] === 0) {
      run = 1;
      runFrame = frame;
    } else if (isHuge && run > 0 && vpn % pagesIn[2] === run && frame === runFrame + run) run++;
    else run = 0;
    if (run === pagesIn[2]) {
      builder.fold(vpn - (run - 1), runFrame);
      hugePages++;
      run = 0;
    }
  });
  if (rows === 0) throw noPages(path);
  const table = builder.finish();
  const clusters = collectVmas();
  if (recorded.length === 0) table.forEachLeaf((vpn, _frame, level) => clusters.add(vpn, pagesIn[level]));
  const warnings = ['The format does not say where page tables lie: they were put above the highest recorded frame.'];
  if (withoutFrame > 0)
    warnings.push(
      `${withoutFrame} of ${rows} pages have no frame number (reading /proc/PID/pagemap without CAP_SYS_ADMIN hides it): they got consecutive frames.`,
    );
  if (hugePages > 0) warnings.push(`${hugePages} huge pages of 2 MiB were recognised by their flags.`);
  return {
    format: pagemapDump.name,
    table,
    vmas: recorded.length > 0 ? recorded : clusters.vmas,
    unit: 'pfn',
    rows,
    warnings,
  };
}
