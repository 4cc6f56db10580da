import {
  type AccessBlock,
  AccessKind,
  type BlockColumns,
  blockCapacity,
  createBlock,
  type ErrorParts,
  StrataError,
} from '@strata/model/machine';
import type { ReadOptions, TraceReader } from './reader.ts';
import type { Tally } from './tally.ts';
import { createTurns } from './turns.ts';
import type { Window } from './window.ts';

/** Slots that a decoder may fill from one record without asking: the largest record of any format gives 9 (ChampSim, 96 bytes). */
export const recordSlots = 16;

/** Turns bytes into accesses. One per stream; it holds what carries over from record to record. */
export interface Decoder {
  /**
   * Appends to `block` from whole records at `window.start`, and moves `start` behind them, until the window holds no whole record or
   * fewer than `recordSlots` slots are free.
   */
  decode(window: Window, block: AccessBlock): void;
  /** At the end of the stream: takes what is left in the window, and throws or warns when the trace is not complete. */
  end(window: Window, block: AccessBlock): void;
}

/** What a decoder is given. */
export interface DecodeContext {
  readonly path: string;
  readonly tally: Tally;
  readonly events: boolean;
  /** Those of the wanted columns that the format has. */
  readonly columns: BlockColumns;
  readonly allowTruncated: boolean;
}

export function hasRoom(block: AccessBlock): boolean {
  return block.length <= block.lo.length - recordSlots;
}

/** Refuses a trace that ends early, or warns where truncated input is allowed. */
export function truncated(context: DecodeContext, parts: Omit<ErrorParts, 'code' | 'mend'>): void {
  const error = new StrataError({
    code: 'trace.truncated',
    ...parts,
    mend: 'Fetch the file again, or allow truncated input to read it as far as it goes.',
  });
  if (!context.allowTruncated) throw error;
  context.tally.warn(`truncated input: ${error.message}`);
}

/** Refuses bytes that are no whole record at the end of a format with records of one size. */
export function endOnRecord(context: DecodeContext, window: Window, recordBytes: number): void {
  const left = window.end - window.start;
  if (left === 0) return;
  window.start = window.end;
  truncated(context, {
    what: 'the trace ends inside a record',
    where: `${context.path}, byte ${window.offset + window.end - left}`,
    expected: `a multiple of ${recordBytes} bytes`,
    found: `${window.offset + window.end} bytes`,
  });
}

/** Where the accesses come from: fills a block as far as it can, and says whether more may follow. */
export interface BlockSource {
  /** Appends to `block`; false at the end of the trace. */
  fill(block: AccessBlock): Promise<boolean>;
  progress(): number | undefined;
  close(): Promise<void>;
}

/** One stream through one decoder. */
export function streamSource(
  window: Window,
  decoder: Decoder,
  context: DecodeContext,
  input: { progress(): number | undefined; close(): Promise<void> },
): BlockSource {
  let complete = false;
  return {
    async fill(block) {
      while (!complete) {
        decoder.decode(window, block);
        if (!hasRoom(block)) return true;
        if (window.isStuck) throw endlessRecord(context, window);
        if (await refilled(window, context)) continue;
        decoder.end(window, block);
        complete = true;
      }
      return false;
    },
    progress: () => input.progress(),
    close: () => input.close(),
  };
}

/** Reads on; a compressed stream that ends early counts as the end where truncated input is allowed. */
export async function refilled(window: Window, { allowTruncated, tally }: DecodeContext): Promise<boolean> {
  try {
    return await window.refill();
  } catch (error) {
    if (!(allowTruncated && error instanceof StrataError && error.code === 'trace.truncated')) throw error;
    tally.warn(`truncated input: ${error.message}`);
    window.ended = true;
    return false;
  }
}

function endlessRecord({ path }: DecodeContext, window: Window): StrataError {
  return new StrataError({
    code: 'trace.malformed',
    what: 'a line or record is longer than any of this format',
    where: `${path}, byte ${window.offset}`,
    expected: `at most ${window.bytes.length} bytes`,
  });
}

/** A reader over a source of blocks: applies skip and limit, counts, and closes whatever way the reading ends. */
export function blockReader(
  source: BlockSource,
  tally: Tally,
  columns: BlockColumns,
  { skip = 0, limit = Infinity, signal, onSkipped }: ReadOptions,
): TraceReader {
  const block = createBlock(blockCapacity, columns);
  let toSkip = skip;
  let toDeliver = limit;

  async function* run(): AsyncGenerator<AccessBlock> {
    const turn = createTurns(signal);
    try {
      for (let more = toDeliver > 0; more && toDeliver > 0; ) {
        await turn();
        block.length = 0;
        more = await source.fill(block);
        if (toSkip > 0) toSkip -= dropFirst(block, toSkip);
        if (toDeliver < block.length) cutAfter(block, toDeliver);
        if (block.length === 0) {
          if (skip > 0) onSkipped?.(skip - toSkip);
          continue;
        }
        const before = tally.accesses;
        tally.count(block);
        toDeliver -= tally.accesses - before;
        yield block;
      }
    } finally {
      await source.close();
    }
  }

  const blocks = run();
  return {
    summary: tally,
    blocks: () => blocks,
    progress: () => source.progress(),
    async close() {
      await blocks.return(undefined);
      await source.close();
    },
  };
}

/** Takes up to `count` accesses, and the events among them, off the front; returns how many accesses. */
function dropFirst(block: AccessBlock, count: number): number {
  const { position, accesses } = positionAfter(block, count);
  for (const column of columnsOf(block)) column.copyWithin(0, position, block.length);
  block.length -= position;
  return accesses;
}

function cutAfter(block: AccessBlock, count: number): void {
  block.length = positionAfter(block, count).position;
}

function positionAfter({ kind, length }: AccessBlock, count: number): { position: number; accesses: number } {
  let accesses = 0;
  let position = 0;
  for (; position < length && accesses < count; position++) if (kind[position]! < AccessKind.noFetch) accesses++;
  return { position, accesses };
}

function columnsOf(block: AccessBlock): (Uint32Array | Uint16Array | Uint8Array)[] {
  return Object.values(block).filter((value) => ArrayBuffer.isView(value)) as Uint32Array[];
}
