import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { DecodeContext } from '../stream-reader.ts';
import { streamFormat } from './format.ts';
import type { LineCursor } from './line-cursor.ts';
import { append, type LineParser, LinesDecoder, recogniseLines } from './text.ts';

const colon = 58;
const read = 82;
const write = 87;
const zero = 48;

/** Pin's pinatrace: `0x<pc>: R 0x<address>`, ending with `#eof`. */
class PinatraceParser implements LineParser {
  readonly expected = "a line such as '0x7f3c11: R 0x7ffd52b8'";
  #sawEnd = false;

  constructor(context: DecodeContext) {
    context.tally.thread(0);
    context.tally.process(0);
  }

  line(cursor: LineCursor, block: AccessBlock): boolean {
    if (cursor.bytes[cursor.at] !== zero || !cursor.hex()) return false;
    const { lo, hi } = cursor;
    if (!cursor.byte(colon) || !cursor.blanks()) return false;
    const letter = cursor.bytes[cursor.at++];
    if ((letter !== read && letter !== write) || !cursor.blanks() || !cursor.hex()) return false;
    const to = append(block, cursor, letter === read ? AccessKind.load : AccessKind.store, 0);
    if (block.pcLo !== undefined && block.pcHi !== undefined) {
      block.pcLo[to] = lo;
      block.pcHi[to] = hi;
    }
    return cursor.isAtEnd();
  }

  comment(text: string): void {
    if (text.trim() === 'eof') this.#sawEnd = true;
  }

  missing(): string | undefined {
    return this.#sawEnd ? undefined : 'a last line #eof';
  }
}

const create = (context: DecodeContext) => new PinatraceParser(context);

export const pinatrace = streamFormat({
  name: 'pinatrace',
  summary: "Pin's pinatrace tool",
  record: '`0x<pc>: R 0x<address>` or `W`',
  end: '`#eof`',
  columns: { pc: true },
  defaultDialect: 'text',
  recognise: (head) => recogniseLines(head, create, 'text'),
  createDecoder: (context) => new LinesDecoder(context, create(context)),
});
