import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccessBlock, StrataError } from '@strata/model/machine';
import { openInput } from '../input/input.ts';
import { readable } from '../input/readable.ts';
import type { OpenOptions, TraceReader } from '../reader.ts';
import { type BlockSource, blockReader, type DecodeContext, hasRoom, refilled } from '../stream-reader.ts';
import { Tally } from '../tally.ts';
import { Window } from '../window.ts';
import { hasPhysical, stockDialectOf } from './drmemtrace.ts';
import { DrmemtraceDecoder } from './drmemtrace-decoder.ts';
import { stockDialect } from './drmemtrace-records.ts';
import { readSchedule, type ScheduleEntry, scheduleFileNames } from './drmemtrace-schedule.ts';
import { contextOf, headOf } from './format.ts';

/** A folder may hold thousands of thread files, all open at once: small windows keep memory bounded. */
const threadWindowBytes = 98_304;
const threadReadBytes = 65_536;

/**
 * Opens a folder of drmemtrace thread files (`drmemtrace.*.dir`, its `trace`, or a Google workload's `trace`) as one interleaved trace.
 * By time stamps: as DynamoRIO's reader does, the file whose last time stamp is the smallest runs until its next time stamp; files are
 * ordered by name, which settles equal stamps.
 */
export async function openDrmemtraceFolder(path: string, options: OpenOptions): Promise<TraceReader> {
  const folder = await traceFolder(path);
  const files = await threadFiles(folder);
  const tally = new Tally(path, 'drmemtrace', `folder of ${files.length} thread files`, []);
  const columns = {
    pc: options.columns?.pc === true,
    physical: options.columns?.physical === true && hasPhysical({ bytes: await headBytes(files[0]!, options) }),
  };
  const lanes = files.map((file) => new Lane(file, contextOf(file, tally, columns, options), options));
  const source =
    options.interleave === undefined || options.interleave === 'timestamps'
      ? byTimestamps(lanes)
      : await bySchedule(lanes, folder, options.interleave);
  return blockReader(source, tally, columns, options);
}

async function traceFolder(path: string): Promise<string> {
  const inside = join(path, 'trace');
  const names = await readdir(path);
  if (names.includes('trace') && (await readable(inside)).isDirectory) return inside;
  if (names.some(isThreadFile)) return path;
  throw new StrataError({
    code: 'trace.no-thread-files',
    what: names.some((name) => name === 'raw' || name.includes('.raw'))
      ? 'the folder holds a raw recording that is not converted yet'
      : 'the folder holds no drmemtrace thread files',
    where: path,
    expected:
      'files named *.trace.zip, *.memtrace.zip, *.trace.gz, *.trace.lz4 or *.trace, or a folder named trace with such',
    mend: names.some((name) => name === 'raw' || name.includes('.raw'))
      ? 'Convert it with DynamoRIO (drraw2trace -indir), which knows the program that was recorded.'
      : 'Give a trace file, or the drmemtrace.*.dir folder.',
  });
}

function isThreadFile(name: string): boolean {
  return /\.(mem)?trace(\.(zip|gz|lz4|zst|xz|bz2))?$/.test(name);
}

async function threadFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(isThreadFile).sort();
  if (names.length === 0)
    throw new StrataError({
      code: 'trace.no-thread-files',
      what: 'the folder holds no drmemtrace thread files',
      where: folder,
    });
  return names.map((name) => join(folder, name));
}

/** The beginning of a thread file, without keeping it open. */
async function headBytes(file: string, options: OpenOptions): Promise<Uint8Array> {
  const { head, close } = await openInput(file, { ...options, headBytes: 4096, readBytes: 4096 });
  await close();
  return head;
}

/** One thread file: opened when it is first read, closed at its end. */
class Lane {
  readonly file: string;
  readonly decoder: DrmemtraceDecoder;
  ended = false;
  readonly #context: DecodeContext;
  readonly #options: OpenOptions;
  #window: Window | undefined;
  #close: (() => Promise<void>) | undefined;

  constructor(file: string, context: DecodeContext, options: OpenOptions) {
    this.file = file;
    this.#context = context;
    this.#options = options;
    this.decoder = new DrmemtraceDecoder(context, stockDialect);
  }

  /** Decodes until the block is full (`full`), the decoder pauses (`paused`), or the file ends (`ended`). */
  async run(block: AccessBlock): Promise<'full' | 'paused' | 'ended'> {
    if (this.ended) return 'ended';
    this.#window ??= await this.#open();
    for (;;) {
      this.decoder.decode(this.#window, block);
      if (this.decoder.paused) return 'paused';
      if (!hasRoom(block)) return 'full';
      if (await refilled(this.#window, this.#context)) continue;
      this.decoder.end(this.#window);
      await this.close();
      return 'ended';
    }
  }

  async close(): Promise<void> {
    this.ended = true;
    this.#window = undefined;
    await this.#close?.();
    this.#close = undefined;
  }

  /** The thread that the first records name, without keeping the file open. */
  async firstThread(): Promise<number | undefined> {
    const head = await headBytes(this.file, this.#options);
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    for (let at = 0; at + 12 <= head.length; at += 12)
      if (view.getUint16(at, true) === 22) return view.getUint32(at + 4, true);
    return undefined;
  }

  async #open(): Promise<Window> {
    const input = await openInput(this.file, { ...this.#options, headBytes: 4096, readBytes: threadReadBytes });
    this.#close = () => input.close();
    if (stockDialectOf(headOf(input, this.#options)) === undefined) {
      await this.close();
      throw new StrataError({
        code: 'trace.unknown-format',
        what: 'not a drmemtrace thread file',
        where: this.file,
        expected: 'a header record of type 25',
        mend: 'Remove it from the folder, or give a single trace file.',
      });
    }
    return new Window(input.chunks, threadWindowBytes);
  }
}

function folderSource(lanes: readonly Lane[], fill: (block: AccessBlock) => Promise<boolean>): BlockSource {
  return {
    fill,
    progress: () => lanes.filter(({ ended }) => ended).length / lanes.length,
    async close() {
      for (const lane of lanes) await lane.close();
    },
  };
}

function byTimestamps(lanes: readonly Lane[]): BlockSource {
  for (const { decoder } of lanes) decoder.pauseAtTimestamps = true;
  let started = 0;
  let current: Lane | undefined;
  return folderSource(lanes, async (block) => {
    // Every file runs up to its first time stamp, so that the first comparison sees them all.
    while (started < lanes.length) {
      if ((await lanes[started]!.run(block)) === 'full') return true;
      started++;
    }
    for (;;) {
      current ??= earliest(lanes);
      if (current === undefined) return false;
      if ((await current.run(block)) === 'full') return true;
      current = undefined;
    }
  });
}

function earliest(lanes: readonly Lane[]): Lane | undefined {
  let best: Lane | undefined;
  for (const lane of lanes) {
    if (lane.ended) continue;
    if (best === undefined || isEarlier(lane.decoder, best.decoder)) best = lane;
  }
  return best;
}

function isEarlier(a: DrmemtraceDecoder, b: DrmemtraceDecoder): boolean {
  return a.timestampHi < b.timestampHi || (a.timestampHi === b.timestampHi && a.timestampLo < b.timestampLo);
}

/** As recorded: each entry of the schedule runs its thread up to the instruction at which the thread's next entry starts. */
async function bySchedule(
  lanes: readonly Lane[],
  folder: string,
  kind: 'cpu-schedule' | 'serial-schedule',
): Promise<BlockSource> {
  const file = join(folder, scheduleFileNames[kind]);
  const entries = await readSchedule(file);
  const ofThread = new Map<number, Lane>();
  for (const lane of lanes) {
    const thread = await lane.firstThread();
    if (thread !== undefined) ofThread.set(thread, lane);
  }
  const stops = stopOfEach(entries);
  let next = 0;
  return folderSource(lanes, async (block) => {
    for (; next < entries.length; next++) {
      const entry = entries[next]!;
      const lane = ofThread.get(entry.thread);
      if (lane === undefined)
        throw new StrataError({
          code: 'trace.schedule',
          what: `the schedule names thread ${entry.thread}, which no file holds`,
          where: `${file}, record ${next}`,
          mend: 'Interleave by time stamps instead.',
        });
      lane.decoder.pauseAtInstruction = stops[next]!;
      if ((await lane.run(block)) === 'full') return true;
    }
    return false;
  });
}

/** Where each entry's run ends: at the start of the same thread's next entry, the last one at the end of its file. */
function stopOfEach(entries: readonly ScheduleEntry[]): number[] {
  const stops = new Array<number>(entries.length);
  const nextStart = new Map<number, number>();
  for (let i = entries.length - 1; i >= 0; i--) {
    const { thread, startInstruction } = entries[i]!;
    stops[i] = nextStart.get(thread) ?? Infinity;
    nextStart.set(thread, startInstruction);
  }
  return stops;
}
