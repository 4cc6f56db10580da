import { frameLimit, type PageLevel, pagesIn, StrataError } from '@strata/model/machine';
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

/** Page map that DynamoRIO's published traces carry (`v2p.textproto`). */
export const v2pMap: TableFormat = {
  name: 'v2p',
  summary: 'page map of a drmemtrace trace: v2p.textproto with virtual and physical addresses per page',
  recognises: (head) => /^\s*(#[^\n]*\n\s*)*address_mapping(_group)?\s*[:{]/.test(head),
  read: readV2p,
};

const levelOfBytes = new Map<number, PageLevel>([
  [4096, 1],
  [2 ** 21, 2],
  [2 ** 30, 3],
]);

/** Keys, braces and values: the text form of protocol buffers needs no more here. Strings and comments are skipped. */
const tokenPattern = /"(?:[^"\\]|\\.)*"|#.*|[{}]|[A-Za-z_][\w.]*|-?(?:0x[0-9a-f]+|\d+)/gi;

async function readV2p({ path, chunks }: TableSource): Promise<ImportedTables> {
  const builder = createLeafBuilder(path);
  const field = new HexField();
  /** Names of the open messages, outermost first. */
  const open: string[] = [];
  let key = '';
  let pageBytes = 4096;
  // Fields that are absent are 0.
  let virtual = '0';
  let physical = '0';
  let rows = 0;

  const pageOf = (value: string, line: number): number => {
    const digits = value.startsWith('0x') ? value.slice(2) : BigInt(value).toString(16);
    if (!field.read(new TextEncoder().encode(digits), 0, digits.length) || field.end !== digits.length)
      throw malformed(path, line, value, 'an address of at most 64 bits');
    return field.page;
  };
  function closeMessage(line: number): void {
    if (open.pop() !== 'address_mapping') return;
    const level = levelOfBytes.get(pageBytes);
    if (level === undefined) throw unknownPageSize(path, line, pageBytes);
    const page = pageOf(virtual, line);
    const frame = pageOf(physical, line);
    if (frame >= frameLimit) throw malformed(path, line, physical, 'a physical address below 2^52');
    builder.add(page, frame, level, line);
    virtual = '0';
    physical = '0';
    rows++;
  }
  function value(text: string, line: number): void {
    if (key === 'page_size') pageBytes = Number(text);
    else if (key === 'virtual_address') virtual = text;
    else if (key === 'physical_address') physical = text;
    else if (/^(address_mapping|address_mapping_group)$/.test(key)) throw malformed(path, line, text, '{');
  }

  await forEachLine(chunks, path, (bytes, start, end, line) => {
    const text = lineText(bytes, start, end);
    for (const [token] of text.matchAll(tokenPattern)) {
      if (token.startsWith('#') || token.startsWith('"')) continue;
      if (token === '{') open.push(key);
      else if (token === '}') {
        if (open.length === 0) throw malformed(path, line, text, 'no more } than {');
        closeMessage(line);
      } else if (/^[a-z_]/i.test(token)) key = token;
      else value(token.toLowerCase(), line);
    }
  });
  if (open.length > 0)
    throw new StrataError({
      code: 'tables.truncated',
      where: path,
      what: 'the file ends inside a message',
      expected: '}'.repeat(open.length),
      mend: 'Copy the file again: its end is missing.',
    });
  if (rows === 0) throw noPages(path);
  const table = builder.finish();
  const { vmas, add } = collectVmas();
  table.forEachLeaf((vpn, _frame, level) => add(vpn, pagesIn[level]));
  const warnings = ['The format does not say where page tables lie: they were put above the highest recorded frame.'];
  return { format: v2pMap.name, table, vmas, unit: 'bytes', rows, warnings };
}

function unknownPageSize(path: string, line: number, bytes: number): StrataError {
  return new StrataError({
    code: 'tables.page-size',
    where: `${path}, line ${line}`,
    what: 'no x86-64 page has that size',
    expected: 'a page_size of 4096, 0x200000 or 0x40000000',
    found: `${bytes}`,
  });
}
