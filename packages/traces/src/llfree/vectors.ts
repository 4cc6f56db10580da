import type { RecordedOperation, RecordedState } from '@strata/model/llfree';
import { StrataError } from '@strata/model/machine';
import { openInput } from '../input/input.ts';

/** What a recording of an allocator consists of, in order. */
export type VectorRecord =
  | { readonly kind: 'header'; readonly frames?: number; readonly cores?: number }
  | { readonly kind: 'columns'; readonly detail: 'reclaimed' | 'class' | undefined }
  | ({ readonly kind: 'operation' } & RecordedOperation)
  | ({ readonly kind: 'state' } & RecordedState);

const operations = ['get', 'put', 'reclaim_soft', 'reclaim_hard', 'return', 'install'] as const;
const columns = ['op', 'core', 'order', 'movable', 'arg_frame', 'err', 'frame'];
const largestFrame = 2 ** 31 - 1;

/**
 * Streams a recording of an LLFree allocator: a CSV of `op,core,order,movable,arg_frame,err,frame,reclaimed|class` with the final state in comments.
 * Compressed files are read as they are.
 * @throws StrataError `llfree-vectors.*` with file and line, or what opening the file finds
 */
export async function* readVectors(path: string): AsyncGenerator<VectorRecord> {
  const input = await openInput(path);
  try {
    const parse = createVectorParser(path);
    for await (const text of textLines(input.chunks)) {
      const record = parse.line(text);
      if (record) yield record;
    }
    parse.end();
  } finally {
    await input.close();
  }
}

async function* textLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

/** Parses line by line; `end` complains about a recording without operations. */
export function createVectorParser(path: string): { line(text: string): VectorRecord | undefined; end(): void } {
  let line = 0;
  let hasColumns = false;
  let count = 0;

  function wrong(what: string, expected: string, found: string): StrataError {
    return new StrataError({
      code: 'llfree-vectors.line',
      what,
      where: `${path}, line ${line}`,
      expected,
      found,
      mend: 'Check that the file is a recording of an allocator and complete.',
    });
  }

  function integer(text: string | undefined, column: string, limit = largestFrame): number {
    if (text !== undefined && /^[0-9]+$/.test(text) && Number(text) <= limit) return Number(text);
    throw wrong(`the column ${column} is not a number`, `an integer from 0 to ${limit}`, JSON.stringify(text ?? ''));
  }

  function header(text: string): VectorRecord {
    const names = text.split(',');
    if (columns.some((name, index) => names[index] !== name) || names.length > columns.length + 1)
      throw wrong('the first line is no header of a recording', columns.join(','), JSON.stringify(text.slice(0, 80)));
    const detail = names[columns.length];
    if (detail !== undefined && detail !== 'reclaimed' && detail !== 'class')
      throw wrong('the last column is unknown', 'reclaimed or class', JSON.stringify(detail));
    hasColumns = true;
    return { kind: 'columns', detail };
  }

  function operation(text: string): VectorRecord {
    const fields = text.split(',');
    if (fields.length < columns.length || fields.length > columns.length + 1)
      throw wrong(
        'the line has another number of columns than the header',
        `${columns.length} or ${columns.length + 1}`,
        String(fields.length),
      );
    const [name, core, order, movable, argument, error, frame, detail] = fields;
    const known = operations.find((candidate) => candidate === name);
    if (!known) throw wrong('no such operation', operations.join(', '), JSON.stringify(name));
    const fails = integer(error, 'err') !== 0;
    const takes = known === 'put' || known === 'return' || known === 'install';
    const gives = !takes && !fails;
    count++;
    return {
      kind: 'operation',
      line,
      operation: known,
      core: known === 'get' || known === 'put' ? integer(core, 'core') : 0,
      order: integer(order, 'order', 30),
      movable: movable !== '' && integer(movable, 'movable', 1) === 1,
      frame: takes ? integer(argument, 'arg_frame') : 0,
      fails,
      result: gives ? integer(frame, 'frame') : 0,
      detail: gives && detail !== undefined && detail !== '' ? integer(detail, 'reclaimed or class') : undefined,
    };
  }

  function comment(text: string): VectorRecord | undefined {
    const numberAfter = (key: string) => {
      const found = new RegExp(`(?:^|\\s)${key}=(\\d+)`).exec(text)?.[1];
      return found === undefined ? undefined : Number(found);
    };
    if (text.startsWith('# final'))
      return {
        kind: 'state',
        line,
        ...given('freeFrames', numberAfter('free_frames')),
        ...given('freeHugeFrames', numberAfter('free_huge')),
      };
    if (text.startsWith('# children'))
      return {
        kind: 'state',
        line,
        hugeFrames: text
          .slice(text.indexOf(':') + 1)
          .trim()
          .split(/\s+/)
          .map(hugeFrame),
      };
    if (text.startsWith('# hostR'))
      return {
        kind: 'state',
        line,
        hostStates: [...text.slice(text.indexOf(':') + 1).trim()].map((digit) => integer(digit, 'hostR', 2)),
      };
    const frames = numberAfter('frames');
    const cores = numberAfter('cores');
    if (hasColumns || (frames === undefined && cores === undefined)) return undefined;
    return { kind: 'header', ...given('frames', frames), ...given('cores', cores) };
  }

  function hugeFrame(text: string) {
    const match = /^(\d+)\/([01])\/([01])$/.exec(text);
    if (!match)
      throw wrong(
        'the state of a huge frame is not understood',
        'free/huge/reclaimed such as 512/0/1',
        JSON.stringify(text),
      );
    return { free: Number(match[1]), huge: match[2] === '1', evicted: match[3] === '1' };
  }

  return {
    line(raw) {
      line++;
      const text = raw.trimEnd();
      if (text === '') return undefined;
      if (text.startsWith('#')) return comment(text);
      return hasColumns ? operation(text) : header(text);
    },
    end() {
      if (count === 0)
        throw wrong('the recording has no operation', 'a header line and at least one operation', `${line} lines`);
    },
  };
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]?: Value });
}
