import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { DecodeContext } from '../stream-reader.ts';
import { streamFormat } from './format.ts';
import type { LineCursor } from './line-cursor.ts';
import { append, type LineParser, LinesDecoder, recogniseLines } from './text.ts';

const equals = 61;
const comma = 44;
const blank = 32;
const letter = { I: 73, L: 76, S: 83, M: 77 };
const maxAccessBytes = 65_535;

/** valgrind --tool=lackey --trace-mem=yes: `I  addr,size`, ` L addr,size`, ` S `, ` M ` (load and store); `==PID==` lines around. */
class LackeyParser implements LineParser {
  readonly expected = "a line such as 'I  04016b80,3' or ' L 1ffeffe7e,8'";
  readonly #context: DecodeContext;
  #sawHeader = false;
  #sawFooter = false;
  #sawAccess = false;
  #pcLo = 0;
  #pcHi = 0;

  constructor(context: DecodeContext) {
    this.#context = context;
    context.tally.thread(0);
    context.tally.process(0);
  }

  line(cursor: LineCursor, block: AccessBlock): boolean {
    const { bytes } = cursor;
    if (bytes[cursor.at] === equals && bytes[cursor.at + 1] === equals) return this.#remark(cursor);
    const isFetch = bytes[cursor.at] === letter.I;
    if (!isFetch && bytes[cursor.at] !== blank) return false;
    const kind = bytes[cursor.at + (isFetch ? 0 : 1)]!;
    cursor.at += isFetch ? 1 : 2;
    if (!cursor.blanks() || !cursor.hex()) return false;
    const { lo, hi } = cursor;
    if (!cursor.byte(comma) || !cursor.decimal()) return false;
    const size = cursor.value;
    if (size > maxAccessBytes) return false;
    cursor.lo = lo;
    cursor.hi = hi;
    if (isFetch) {
      this.#pcLo = lo;
      this.#pcHi = hi;
    }
    this.#sawAccess = true;
    const first = block.length;
    if (isFetch) append(block, cursor, AccessKind.fetch, size);
    else if (kind === letter.L) append(block, cursor, AccessKind.load, size);
    else if (kind === letter.S) append(block, cursor, AccessKind.store, size);
    else if (kind === letter.M) {
      append(block, cursor, AccessKind.load, size);
      append(block, cursor, AccessKind.store, size);
    } else return false;
    if (block.pcLo !== undefined && block.pcHi !== undefined) {
      block.pcLo.fill(this.#pcLo, first, block.length);
      block.pcHi.fill(this.#pcHi, first, block.length);
    }
    return cursor.isAtEnd();
  }

  missing(): string | undefined {
    return this.#sawHeader && !this.#sawFooter ? "valgrind's last remark, '==PID== Exit code: ...'" : undefined;
  }

  /** `==PID== text`: not the trace, but its first and last lines tell whether it is complete. */
  #remark(cursor: LineCursor): boolean {
    const from = cursor.at;
    const end = cursor.bytes.indexOf(10, from);
    const text = String.fromCharCode(...cursor.bytes.subarray(from, Math.min(end, from + 200)));
    if (!/^==\d+==/.test(text)) return false;
    if (!this.#sawAccess) this.#sawHeader = true;
    if (/== Exit code:\s+\d/.test(text)) this.#sawFooter = true;
    this.#context.tally.drop('remark of valgrind');
    return true;
  }
}

const create = (context: DecodeContext) => new LackeyParser(context);

export const lackey = streamFormat({
  name: 'lackey',
  summary: 'valgrind --tool=lackey --trace-mem=yes',
  record: '`I  addr,size`, ` L addr,size`, ` S addr,size`, ` M addr,size`; hexadecimal',
  end: "valgrind's exit code, where its header is there",
  columns: { pc: true },
  defaultDialect: 'text',
  recognise: (head) => recogniseLines(head, create, 'text'),
  createDecoder: (context) => new LinesDecoder(context, create(context)),
});
