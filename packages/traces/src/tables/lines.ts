import { StrataError } from '@strata/model/machine';

const newline = 10;
const carriageReturn = 13;
const longestLineBytes = 65_536;

/** `bytes[start, end)` is a line without its line break; valid during the call. Lines are numbered from 1. */
export type LineVisitor = (bytes: Uint8Array, start: number, end: number, line: number) => void;

/** Takes many lines at a time where it can: how many bytes and whole lines from `start` on, or none to have the next line visited. */
export type LinesTaker = (
  bytes: Uint8Array,
  start: number,
  line: number,
) => { readonly bytes: number; readonly rows: number };

/**
 * Every line of a byte stream, without a string per line. `take` is asked first wherever a line begins, `visit` gets the lines it leaves.
 * @returns the number of lines, and whether the last one was ended by a line break
 * @throws StrataError `tables.malformed-line` when a line is longer than 64 KiB: not a text file
 */
export async function forEachLine(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  visit: LineVisitor,
  take?: LinesTaker,
): Promise<{ readonly lines: number; readonly ended: boolean }> {
  let line = 0;
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    let bytes = chunk;
    if (rest.length > 0) {
      bytes = new Uint8Array(rest.length + chunk.length);
      bytes.set(rest);
      bytes.set(chunk, rest.length);
    }
    let start = 0;
    for (;;) {
      if (take !== undefined) {
        const taken = take(bytes, start, line + 1);
        start += taken.bytes;
        line += taken.rows;
        if (taken.rows > 0) continue;
      }
      const end = bytes.indexOf(newline, start);
      if (end < 0) break;
      visit(bytes, start, withoutReturn(bytes, start, end), ++line);
      start = end + 1;
    }
    rest = bytes.slice(start);
    if (rest.length > longestLineBytes) throw tooLong(path, line + 1);
  }
  if (rest.length > 0) visit(rest, 0, withoutReturn(rest, 0, rest.length), ++line);
  return { lines: line, ended: rest.length === 0 };
}

function withoutReturn(bytes: Uint8Array, start: number, end: number): number {
  return end > start && bytes[end - 1] === carriageReturn ? end - 1 : end;
}

function tooLong(path: string, line: number): StrataError {
  return new StrataError({
    code: 'tables.malformed-line',
    where: `${path}, line ${line}`,
    what: 'the line is longer than 64 KiB',
    expected: 'a text file with one page per line',
  });
}

const decoder = new TextDecoder('latin1');

/** A line as a string, for the formats and errors where speed does not matter. */
export function lineText(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** How a line appears in messages: quoted, shortened. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
