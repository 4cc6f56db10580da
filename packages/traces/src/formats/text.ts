import { type AccessBlock, createBlock } from '@strata/model/machine';
import { type DecodeContext, type Decoder, hasRoom, truncated } from '../stream-reader.ts';
import { Tally } from '../tally.ts';
import type { Window } from '../window.ts';
import { type Head, malformed, type Recognition } from './format.ts';
import { LineCursor } from './line-cursor.ts';

const lineFeed = 10;
const hash = 35;
const shownCharacters = 60;
const sampleLines = 1000;

/** One text format: how its lines read. Holds what carries over from line to line. */
export interface LineParser {
  /** What a line looks like, for messages. */
  readonly expected: string;
  /** Reads the line at the cursor up to its line feed and appends what it says; false when it is no line of this format. */
  line(cursor: LineCursor, block: AccessBlock): boolean;
  /** Sees comment lines, `#` stripped; for formats whose end is one. */
  comment?(text: string): void;
  /** What is missing at the end of the trace, if anything. */
  missing?(): string | undefined;
}

export type CreateLineParser = (context: DecodeContext, head: Head) => LineParser;

/** Lines through a `LineParser`; blank lines and `#` comments are skipped. */
export class LinesDecoder implements Decoder {
  readonly #context: DecodeContext;
  readonly #parser: LineParser;
  readonly #cursor = new LineCursor();
  #lines = 0;
  #comments = 0;

  constructor(context: DecodeContext, parser: LineParser) {
    this.#context = context;
    this.#parser = parser;
  }

  decode(window: Window, block: AccessBlock): void {
    const last = window.bytes.subarray(0, window.end).lastIndexOf(lineFeed);
    if (last >= window.start) window.start = this.#parse(window.bytes, window.start, last + 1, block);
  }

  end(window: Window, block: AccessBlock): void {
    if (window.start < window.end) this.#lastLine(window, block);
    this.#context.tally.drop('comment line', this.#comments);
    const missing = this.#parser.missing?.();
    if (missing !== undefined)
      truncated(this.#context, {
        what: 'the trace ends early',
        where: `${this.#context.path}, line ${this.#lines}`,
        expected: missing,
      });
  }

  /** A last line without its line feed: it may be whole, or cut. */
  #lastLine(window: Window, block: AccessBlock): void {
    const line = new Uint8Array(window.end - window.start + 1);
    line.set(window.bytes.subarray(window.start, window.end));
    line[line.length - 1] = lineFeed;
    window.start = window.end;
    const before = block.length;
    try {
      this.#parse(line, 0, line.length, block);
      this.#context.tally.warn('the last line has no line feed: check that the file is complete');
    } catch {
      block.length = before;
      truncated(this.#context, {
        what: 'the last line is cut',
        where: `${this.#context.path}, line ${this.#lines}`,
        expected: this.#parser.expected,
        found: shown(line, 0),
      });
    }
  }

  /** Whole lines from `from` to `to` until the block is full; returns where it stopped. */
  #parse(bytes: Uint8Array, from: number, to: number, block: AccessBlock): number {
    const cursor = this.#cursor;
    cursor.bytes = bytes;
    cursor.at = from;
    while (cursor.at < to && hasRoom(block)) {
      const start = cursor.at;
      this.#lines++;
      if (bytes[start] === hash) {
        this.#comment(bytes, start);
      } else if (!this.#parser.line(cursor, block)) {
        cursor.at = start;
        if (!cursor.isAtEnd()) throw this.#malformed(bytes, start);
      }
      cursor.nextLine();
    }
    return cursor.at;
  }

  #comment(bytes: Uint8Array, start: number): void {
    this.#comments++;
    this.#parser.comment?.(lineAt(bytes, start).slice(1));
  }

  #malformed(bytes: Uint8Array, start: number): Error {
    return malformed(this.#context, `line ${this.#lines}`, 'this line cannot be read', {
      expected: this.#parser.expected,
      found: shown(bytes, start),
    });
  }
}

function lineAt(bytes: Uint8Array, start: number): string {
  const end = bytes.indexOf(lineFeed, start);
  return new TextDecoder().decode(bytes.subarray(start, end < 0 ? bytes.length : end)).trimEnd();
}

function shown(bytes: Uint8Array, start: number): string {
  return JSON.stringify(lineAt(bytes, start).slice(0, shownCharacters));
}

/** The whole lines in the first bytes, up to a thousand; one without line feed only when it is all there is. */
export function headLines({ bytes, isAll }: Head): string[] {
  const lines = bytes.lastIndexOf(lineFeed) + 1;
  const end = lines === 0 && isAll ? bytes.length : lines;
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, end));
  return text
    .split('\n', sampleLines + 1)
    .map((line) => line.trimEnd())
    .slice(0, sampleLines);
}

/** Recognises a text format by reading the first lines with its own parser: all must fit, and at least one must be an access. */
export function recogniseLines(head: Head, create: CreateLineParser, dialect: string): Recognition | undefined {
  const lines = headLines(head).filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) return undefined;
  const context = sampleContext(head);
  const parser = create(context, head);
  const block = createBlock(64);
  const cursor = new LineCursor();
  let accesses = 0;
  for (const line of lines) {
    cursor.bytes = bytesOf(line);
    cursor.at = 0;
    block.length = 0;
    if (!parser.line(cursor, block)) return undefined;
    accesses += block.length;
  }
  return accesses > 0 ? { by: 'structure', dialect } : undefined;
}

function sampleContext(head: Head): DecodeContext {
  return {
    path: head.path,
    tally: new Tally(head.path, '', '', []),
    events: true,
    columns: {},
    allowTruncated: true,
  };
}

function bytesOf(line: string): Uint8Array {
  const bytes = new Uint8Array(line.length + 1);
  for (let i = 0; i < line.length; i++) bytes[i] = line.charCodeAt(i);
  bytes[line.length] = lineFeed;
  return bytes;
}

/**
 * Appends one access; the number that the cursor read last is its address. Thread and process stay 0 as in a new block, which is all that
 * text formats but CSV know.
 */
export function append(block: AccessBlock, cursor: LineCursor, kind: number, size: number): number {
  const to = block.length++;
  block.lo[to] = cursor.lo;
  block.hi[to] = cursor.hi;
  block.kind[to] = kind;
  block.size[to] = size;
  return to;
}
