import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { DecodeContext } from '../stream-reader.ts';
import { type Head, streamFormat } from './format.ts';
import type { LineCursor } from './line-cursor.ts';
import { append, headLines, type LineParser, LinesDecoder, recogniseLines } from './text.ts';

const dropped = 255;
/** What each label means; `dropped` and above 15 are no accesses. */
const kindOf = new Uint8Array(128).fill(254);
for (const [labels, kind] of [
  ['0rR', AccessKind.load],
  ['1wW', AccessKind.store],
  ['2iI', AccessKind.fetch],
  ['4', AccessKind.other],
  ['3mMcCvV', dropped],
] as const)
  for (const label of labels) kindOf[label.charCodeAt(0)] = kind;
const unknown = 254;
const maxAccessBytes = 65_535;

/**
 * Dinero's din: `<label> <address>`, label 0 read, 1 write, 2 fetch, 3 escape, 4 flush, address hexadecimal. Extended: labels r, w, i, m
 * (miscellaneous), c (copy back), v (invalidate), and a size in hexadecimal.
 */
class DinParser implements LineParser {
  readonly expected = "a line such as '0 7fff5a8c' or 'r 7fff5a8c 8' (label, hexadecimal address, optional size)";
  readonly #context: DecodeContext;

  constructor(context: DecodeContext) {
    this.#context = context;
    context.tally.thread(0);
    context.tally.process(0);
  }

  line(cursor: LineCursor, block: AccessBlock): boolean {
    cursor.blanks();
    const kind = kindOf[cursor.bytes[cursor.at]!] ?? unknown;
    if (kind === unknown) return false;
    cursor.at++;
    if (!cursor.blanks() || !cursor.hex()) return false;
    const { lo, hi } = cursor;
    let size = 0;
    if (cursor.blanks() && !cursor.isAtEnd()) {
      if (!cursor.hex()) return false;
      size = cursor.value;
      if (size > maxAccessBytes) return false;
      cursor.lo = lo;
      cursor.hi = hi;
    }
    if (kind === dropped) this.#context.tally.drop('escape or cache management record');
    else if (kind !== AccessKind.other || this.#context.events) append(block, cursor, kind, size);
    else this.#context.tally.drop('cache flush');
    return cursor.isAtEnd();
  }
}

const create = (context: DecodeContext) => new DinParser(context);

function dialectOf(head: Head): string {
  const line = headLines(head).find((text) => /^\s*\w/.test(text)) ?? '';
  return /^\s*([a-z]\s|\S+\s+\S+\s+\S)/i.test(line) ? 'extended' : 'classic';
}

export const din = streamFormat({
  name: 'din',
  summary: 'Dinero trace, classic or extended',
  record: '`<label> <address> [size]`; label 0 1 2 3 4 or r w i, hexadecimal',
  end: 'none (whole lines)',
  extensions: ['.din'],
  defaultDialect: 'text',
  recognise: (head) => recogniseLines(head, create, dialectOf(head)),
  createDecoder: (context) => new LinesDecoder(context, create(context)),
});
