import { StrataError } from '@strata/model/machine';
import { openInput } from '../input/input.ts';
import { zipComponent, zipEntries } from '../input/zip.ts';

/** A stretch of one thread on one processor, as recorded. */
export interface ScheduleEntry {
  readonly thread: number;
  /** Microseconds since 1601-01-01 UTC. */
  readonly timestampMicroseconds: bigint;
  readonly cpu: number;
  /** Instructions that the thread has executed before. */
  readonly startInstruction: number;
}

export const scheduleFileNames = {
  'cpu-schedule': 'cpu_schedule.bin.zip',
  'serial-schedule': 'serial_schedule.bin.gz',
} as const;

const entryBytes = 32;

/**
 * Reads `serial_schedule.bin.gz`, or `cpu_schedule.bin.zip` whose component per processor is merged by time.
 * @throws StrataError `trace.schedule` when it is not whole records, and what decompression finds
 */
export async function readSchedule(path: string): Promise<ScheduleEntry[]> {
  if (!path.endsWith('.zip')) return entriesIn(await contentOf(path), path);
  const perCpu = await readCpuSchedule(path);
  return [...perCpu.values()]
    .flat()
    .sort((a, b) => Number(a.timestampMicroseconds - b.timestampMicroseconds) || a.cpu - b.cpu);
}

/** The entries of each processor in `cpu_schedule.bin.zip`, by component name. */
export async function readCpuSchedule(path: string): Promise<Map<string, ScheduleEntry[]>> {
  const perCpu = new Map<string, ScheduleEntry[]>();
  for (const name of await zipEntries(path))
    perCpu.set(name, entriesIn(await collected(zipComponent(path, name)), `${path}, component ${name}`));
  return perCpu;
}

async function contentOf(path: string): Promise<Uint8Array> {
  const input = await openInput(path);
  try {
    return await collected(input.chunks);
  } finally {
    await input.close();
  }
}

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const chunk of chunks) pieces.push(chunk.slice());
  return new Uint8Array(await new Blob(pieces as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

function entriesIn(bytes: Uint8Array, where: string): ScheduleEntry[] {
  if (bytes.length % entryBytes !== 0)
    throw new StrataError({
      code: 'trace.schedule',
      what: 'the schedule ends inside a record',
      where,
      expected: `a multiple of ${entryBytes} bytes`,
      found: `${bytes.length} bytes`,
      mend: 'Fetch the file again, or interleave by time stamps.',
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / entryBytes }, (_, index) => {
    const at = index * entryBytes;
    return {
      thread: Number(view.getBigUint64(at, true)),
      timestampMicroseconds: view.getBigUint64(at + 8, true),
      cpu: Number(view.getBigUint64(at + 16, true)),
      startInstruction: Number(view.getBigUint64(at + 24, true)),
    };
  });
}
