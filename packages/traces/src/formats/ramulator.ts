import { type AccessBlock, AccessKind, StrataError } from '@strata/model/machine';
import type { DecodeContext } from '../stream-reader.ts';
import { type Head, streamFormat, type TraceFormat } from './format.ts';
import type { LineCursor } from './line-cursor.ts';
import { append, type CreateLineParser, headLines, type LineParser, LinesDecoder, recogniseLines } from './text.ts';

/** Ramulator 2 LoadStore: `LD 0x12345680`, `ST 4096`; decimal or, with `0x`, hexadecimal. */
class LoadStoreParser implements LineParser {
  readonly expected = "a line such as 'LD 0x12345680' or 'ST 4096'";

  line(cursor: LineCursor, block: AccessBlock): boolean {
    const isLoad = cursor.word('LD');
    if (!(isLoad || cursor.word('ST')) || !cursor.blanks() || !cursor.number()) return false;
    append(block, cursor, isLoad ? AccessKind.load : AccessKind.store, 0);
    return cursor.isAtEnd();
  }
}

/** Ramulator SimpleO3: `<bubbles> <load address> [<store address>]`, decimal; what misses the recorder's L1. */
class SimpleO3Parser implements LineParser {
  readonly expected =
    "a line such as '3 20734016' or '1 20846400 20734016' (instructions, load address, store address; decimal)";
  readonly #context: DecodeContext;

  constructor(context: DecodeContext) {
    this.#context = context;
    context.tally.warn('SimpleO3 traces hold only what missed a first-level cache, which biases TLB results');
  }

  line(cursor: LineCursor, block: AccessBlock): boolean {
    cursor.blanks();
    if (!cursor.decimal()) return false;
    const bubbles = cursor.value;
    if (!cursor.blanks() || !cursor.decimal()) return false;
    append(block, cursor, AccessKind.load, 0);
    if (cursor.blanks() && !cursor.isAtEnd()) {
      if (!cursor.decimal()) return false;
      append(block, cursor, AccessKind.store, 0);
    }
    this.#context.tally.drop('instruction without memory access', bubbles);
    return cursor.isAtEnd();
  }
}

/** Ramulator 1 (`0x12345680 R`) and DRAMsim3 (`0x12345680 READ 12`): physical addresses, the cycle where there is one. */
class DramParser implements LineParser {
  readonly expected = "a line such as '0x12345680 R' or '0x12345680 WRITE 120'";

  constructor(context: DecodeContext) {
    context.tally.warn('the addresses are physical, as the memory controller saw them');
  }

  line(cursor: LineCursor, block: AccessBlock): boolean {
    if (cursor.bytes[cursor.at] !== 48 || !cursor.hex()) return false;
    const { lo, hi } = cursor;
    if (!cursor.blanks()) return false;
    const isLoad = cursor.word('READ') || cursor.word('R');
    if (!isLoad && !cursor.word('WRITE') && !cursor.word('W')) return false;
    if (cursor.blanks() && !cursor.isAtEnd() && !cursor.decimal()) return false;
    cursor.lo = lo;
    cursor.hi = hi;
    const to = append(block, cursor, isLoad ? AccessKind.load : AccessKind.store, 0);
    if (block.physicalLo !== undefined && block.physicalHi !== undefined) {
      block.physicalLo[to] = lo;
      block.physicalHi[to] = hi;
    }
    return cursor.isAtEnd();
  }
}

function textFormat(
  name: string,
  summary: string,
  record: string,
  create: CreateLineParser,
  columns: { readonly physical?: boolean } = {},
): TraceFormat {
  return streamFormat({
    name,
    summary,
    record,
    end: 'none (whole lines)',
    columns,
    defaultDialect: 'text',
    recognise: (head) => recogniseLines(head, create, 'text'),
    createDecoder(context, head) {
      context.tally.thread(0);
      context.tally.process(0);
      return new LinesDecoder(context, create(context, head));
    },
  });
}

export const ramulatorLoadStore = textFormat(
  'ramulator-loadstore',
  'Ramulator 2 LoadStore trace',
  '`LD 0x..` or `ST 4096`',
  () => new LoadStoreParser(),
);
export const simpleO3 = textFormat(
  'ramulator-simpleo3',
  'Ramulator SimpleO3 trace (filtered by a first-level cache)',
  '`<instructions> <load address> [<store address>]`; decimal',
  (context) => new SimpleO3Parser(context),
);
export const dramTrace = textFormat(
  'dram',
  'Ramulator 1 or DRAMsim3 trace (physical addresses)',
  '`0x.. R` or `0x.. READ <cycle>`',
  (context) => new DramParser(context),
  { physical: true },
);

const dramVector = /^[RW]\s+-?\d+(\s*,\s*-?\d+)+\s*$/i;

/** Recognised in order to be refused in words. */
export const ramulatorReadWrite: TraceFormat = {
  name: 'ramulator-readwrite',
  summary: 'Ramulator 2 ReadWrite trace: not readable, it holds no addresses',
  record: '`R channel,rank,bank,row,column`',
  end: 'none (whole lines)',
  recognise(head: Head) {
    const lines = headLines(head).filter((line) => line !== '' && !line.startsWith('#'));
    return lines.length > 0 && lines.every((line) => dramVector.test(line))
      ? { by: 'structure', dialect: 'text' }
      : undefined;
  },
  open({ path }) {
    throw new StrataError({
      code: 'trace.no-addresses',
      what: 'a Ramulator 2 ReadWrite trace holds DRAM coordinates (channel, rank, bank, row, column), not addresses',
      where: path,
      mend: "Record a LoadStore trace ('LD 0x..', 'ST 0x..') instead.",
    });
  },
};
