import { type AccessBlock, AccessKind, StrataError, suggestion } from '@strata/model/machine';
import type { DecodeContext } from '../stream-reader.ts';
import { type Head, streamFormat } from './format.ts';
import type { LineCursor } from './line-cursor.ts';
import { append, headLines, type LineParser, LinesDecoder, recogniseLines } from './text.ts';

type Role = 'address' | 'kind' | 'size' | 'thread' | 'process' | 'pc' | 'physical' | 'ignored';
type Radix = 'hex' | 'dec';

/** Column names as they occur in the wild, in lower case without blanks, `_` and `-`. */
const roleOf: Readonly<Record<string, Role>> = Object.fromEntries(
  (
    [
      ['address', 'addr address vaddr va gva virtual virtualaddress memaddr'],
      ['kind', 'kind type op operation rw access accesstype cmd'],
      ['size', 'size bytes len length'],
      ['thread', 'thread tid threadid vcpu cpu core'],
      ['process', 'process pid asid processid'],
      ['pc', 'pc ip rip instruction instructionaddress'],
      ['physical', 'physical paddr pa gpa hpa phys physicaladdress'],
      ['ignored', 'time timestamp cycle cycles ts seq index -'],
    ] as const
  ).flatMap(([role, names]) => names.split(' ').map((name) => [name, role])),
);

const kindWords: readonly (readonly [number, string])[] = [
  [AccessKind.load, '0 r l ld rd load read'],
  [AccessKind.store, '1 w s st wr store write'],
  [AccessKind.fetch, '2 i f x fetch ifetch instr instruction exec execute'],
  [AccessKind.prefetch, '3 p pf prefetch'],
];
/** Kind by a hash of the word in lower case. */
const kindOfHash = new Map(kindWords.flatMap(([kind, words]) => words.split(' ').map((word) => [hashOf(word), kind])));

function hashOf(word: string): number {
  let hash = word.length;
  for (let i = 0; i < word.length; i++) hash = (Math.imul(hash, 31) + (word.charCodeAt(i) | 32)) | 0;
  return hash;
}

interface Column {
  readonly role: Role;
  readonly radix: Radix;
}
interface Layout {
  readonly separator: string;
  readonly columns: readonly Column[];
  readonly hasHeader: boolean;
  /** Header names that mean nothing here. */
  readonly unknown: readonly string[];
}

function plain(name: string): string {
  return name
    .trim()
    .replace(/^"|"$/g, '')
    .toLowerCase()
    .replace(/(?!^-$)[\s_-]/g, '');
}

function separatorOf(line: string): string {
  return ['\t', ';', ','].find((candidate) => line.includes(candidate)) ?? (/\S\s+\S/.test(line) ? ' ' : ',');
}

function split(line: string, separator: string): string[] {
  return separator === ' ' ? line.trim().split(/[ \t]+/) : line.split(separator);
}

/** The layout that the user gave, or that the header line names; undefined when there is neither. */
function layoutOf(head: Head): Layout | undefined {
  const lines = headLines(head).filter((line) => line !== '' && !line.startsWith('#'));
  const first = lines[0];
  if (first === undefined) return undefined;
  const separator = separatorOf(first);
  const header = split(first, separator).map(plain);
  const hasHeader = header.some((name) => roleOf[name] === 'address');
  const { fields } = head.options;
  if (fields === undefined && !hasHeader) return undefined;
  const rows = lines.slice(hasHeader ? 1 : 0).map((line) => split(line, separator));
  const given: NamedColumn[] = fields === undefined ? header.map((name) => ({ name })) : givenFields(fields);
  const columns = given.map(({ name, radix }, index) => ({
    role: roleOf[name] ?? ('ignored' as const),
    radix: radix ?? radixOf(rows, index),
  }));
  return { separator, columns, hasHeader, unknown: header.filter((name) => hasHeader && roleOf[name] === undefined) };
}

interface NamedColumn {
  readonly name: string;
  readonly radix?: Radix;
}

function givenFields(fields: string): NamedColumn[] {
  const columns = fields.split(',').map((field): NamedColumn => {
    const [name = '', radix] = field.trim().split(':');
    if (roleOf[plain(name)] === undefined)
      throw new StrataError({
        code: 'trace.fields',
        what: `unknown column ${JSON.stringify(name)}`,
        where: `fields ${JSON.stringify(fields)}`,
        mend: suggestion(plain(name), ['addr', 'kind', 'size', 'thread', 'process', 'pc', 'physical', 'time', '-']),
      });
    if (radix !== undefined && radix !== 'hex' && radix !== 'dec')
      throw new StrataError({
        code: 'trace.fields',
        what: `unknown number base ${JSON.stringify(radix)}`,
        where: `fields ${JSON.stringify(fields)}`,
        expected: 'hex or dec, such as addr:hex',
      });
    return { name: plain(name), ...(radix === undefined ? {} : { radix }) };
  });
  if (!columns.some(({ name }) => roleOf[name] === 'address'))
    throw new StrataError({
      code: 'trace.fields',
      what: 'no column holds the address',
      where: `fields ${JSON.stringify(fields)}`,
      mend: "Name it, such as 'kind,addr'.",
    });
  return columns;
}

/** Hexadecimal when a value among the first rows has a letter. `0x` is understood either way. */
function radixOf(rows: readonly string[][], index: number): Radix {
  return rows.some((row) => /^\s*"?[0-9a-f]*[a-f][0-9a-f]*"?\s*$/i.test(row[index] ?? '')) ? 'hex' : 'dec';
}

const quote = 34;
const carriageReturn = 13;
const lineFeed = 10;
const blank = 32;

class CsvParser implements LineParser {
  readonly expected: string;
  readonly #context: DecodeContext;
  readonly #layout: Layout;
  readonly #separator: number;
  #headerLeft: boolean;

  constructor(context: DecodeContext, layout: Layout) {
    this.#context = context;
    this.#layout = layout;
    this.#separator = layout.separator.charCodeAt(0);
    this.#headerLeft = layout.hasHeader;
    this.expected = `columns ${layout.columns.map(({ role, radix }) => (role === 'kind' || role === 'ignored' ? role : `${role} (${radix})`)).join(', ')}`;
    const has = (role: Role) => layout.columns.some((column) => column.role === role);
    if (!has('kind')) context.tally.warn('no column tells loads from stores: all accesses count as loads');
    if (layout.unknown.length > 0)
      context.tally.warn(`columns not understood are ignored: ${layout.unknown.join(', ')}`);
    if (!has('thread')) context.tally.thread(0);
    if (!has('process')) context.tally.process(0);
  }

  line(cursor: LineCursor, block: AccessBlock): boolean {
    if (cursor.isAtEnd()) return false;
    if (this.#headerLeft) {
      this.#headerLeft = false;
      return true;
    }
    const { columns } = this.#layout;
    let addressLo = 0;
    let addressHi = 0;
    let pcLo = 0;
    let pcHi = 0;
    let physicalLo = 0;
    let physicalHi = 0;
    let kind: number = AccessKind.load;
    let size = 0;
    let thread = 0;
    let process = 0;
    for (let i = 0; i < columns.length; i++) {
      const { role, radix } = columns[i]!;
      if (i > 0 && !this.#step(cursor)) return false;
      if (role === 'ignored') {
        this.#skipField(cursor);
        continue;
      }
      cursor.byte(quote);
      if (role === 'kind') {
        kind = this.#kind(cursor);
        if (kind < 0) return false;
      } else {
        if (!(radix === 'hex' ? cursor.hex() : cursor.number())) return false;
        if (role === 'address') {
          addressLo = cursor.lo;
          addressHi = cursor.hi;
        } else if (role === 'pc') {
          pcLo = cursor.lo;
          pcHi = cursor.hi;
        } else if (role === 'physical') {
          physicalLo = cursor.lo;
          physicalHi = cursor.hi;
        } else if (role === 'size') size = cursor.value;
        else if (role === 'thread') thread = this.#context.tally.thread(cursor.value);
        else process = this.#context.tally.process(cursor.value);
      }
      cursor.byte(quote);
      if (this.#separator !== blank) while (cursor.bytes[cursor.at] === blank) cursor.at++;
    }
    if (size > 65_535 || !cursor.isAtEnd()) return false;
    cursor.lo = addressLo;
    cursor.hi = addressHi;
    const to = append(block, cursor, kind, size);
    block.thread[to] = thread;
    block.process[to] = process;
    if (block.pcLo !== undefined && block.pcHi !== undefined) {
      block.pcLo[to] = pcLo;
      block.pcHi[to] = pcHi;
    }
    if (block.physicalLo !== undefined && block.physicalHi !== undefined) {
      block.physicalLo[to] = physicalLo;
      block.physicalHi[to] = physicalHi;
    }
    return true;
  }

  #step(cursor: LineCursor): boolean {
    if (this.#separator === blank) return cursor.blanks();
    if (!cursor.byte(this.#separator)) return false;
    while (cursor.bytes[cursor.at] === blank) cursor.at++;
    return true;
  }

  #skipField(cursor: LineCursor): void {
    const { bytes } = cursor;
    while (bytes[cursor.at] !== this.#separator && bytes[cursor.at] !== lineFeed && bytes[cursor.at] !== carriageReturn)
      cursor.at++;
  }

  #kind(cursor: LineCursor): number {
    const { bytes } = cursor;
    const from = cursor.at;
    while (isWordByte(bytes[cursor.at]!)) cursor.at++;
    let hash = cursor.at - from;
    for (let at = from; at < cursor.at; at++) hash = (Math.imul(hash, 31) + (bytes[at]! | 32)) | 0;
    return kindOfHash.get(hash) ?? -1;
  }
}

function isWordByte(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || ((byte | 32) >= 97 && (byte | 32) <= 122);
}

function parserOf(context: DecodeContext, head: Head): CsvParser {
  const layout = layoutOf(head);
  if (layout === undefined)
    throw new StrataError({
      code: 'trace.fields',
      what: 'the file does not name its columns',
      where: head.path,
      expected: 'a header line with a column named addr',
      mend: "Name the columns in order, such as 'addr,kind,pc,time'.",
    });
  return new CsvParser(context, layout);
}

export const csv = streamFormat({
  name: 'csv',
  summary: 'CSV, TSV or blank-separated columns, named by a header line or by the user',
  record: 'any of addr, kind, size, thread, process, pc, physical; hexadecimal or decimal',
  end: 'none (whole lines)',
  columns(head) {
    const roles = layoutOf(head)?.columns.map(({ role }) => role) ?? [];
    return { pc: roles.includes('pc'), physical: roles.includes('physical') };
  },
  defaultDialect: 'text',
  recognise(head) {
    const layout = layoutOf(head);
    if (layout === undefined) return undefined;
    const columns = layout.columns.map(({ role }) => role).join(',');
    return recogniseLines(head, parserOf, `columns ${columns}`);
  },
  createDecoder: (context, head) => new LinesDecoder(context, parserOf(context, head)),
});
