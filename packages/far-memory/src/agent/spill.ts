import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { FarUsageError } from '../errors.ts';

/** A place in the spill file. */
export interface SpillExtent {
  readonly offset: number;
  readonly bytes: number;
}

/** The file that takes segments when the agent's memory is used up. Reading and writing block: a spilled object costs a disk access. */
export interface SpillFile {
  readonly path: string;
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** Writes a segment; undefined when the file has reached its limit or the disk refuses. */
  write(segment: Uint8Array): SpillExtent | undefined;
  /** Reads into `into` from a byte of an extent; whether all of it came. */
  read(extent: SpillExtent, from: number, into: Uint8Array): boolean;
  free(extent: SpillExtent): void;
  close(): void;
}

/**
 * Opens a new spill file. Its name is removed at once where the system allows that, so that nothing stays behind however the agent ends.
 * @throws FarUsageError when the file exists already or cannot be made
 */
export function openSpillFile(path: string, limitBytes: number): SpillFile {
  let file: number;
  try {
    mkdirSync(dirname(path), { recursive: true });
    file = openSync(path, 'wx+', 0o600);
  } catch (cause) {
    throw new FarUsageError(
      `the spill file ${path} cannot be made: ${cause instanceof Error ? cause.message : cause}; name a file that does not exist yet`,
    );
  }
  if (process.platform !== 'win32') rmSync(path);
  const free = new Map<number, number[]>();
  let end = 0;
  let usedBytes = 0;

  function place(bytes: number): number | undefined {
    const reused = free.get(bytes)?.pop();
    if (reused !== undefined) return reused;
    if (end + bytes > limitBytes) return undefined;
    end += bytes;
    return end - bytes;
  }

  function giveBack({ offset, bytes }: SpillExtent): void {
    const offsets = free.get(bytes);
    if (offsets === undefined) free.set(bytes, [offset]);
    else offsets.push(offset);
  }

  return {
    path,
    limitBytes,
    get usedBytes() {
      return usedBytes;
    },
    write(segment) {
      const offset = place(segment.byteLength);
      if (offset === undefined) return undefined;
      const extent = { offset, bytes: segment.byteLength };
      try {
        for (let done = 0; done < segment.byteLength; )
          done += writeSync(file, segment, done, segment.byteLength - done, offset + done);
      } catch {
        giveBack(extent);
        return undefined;
      }
      usedBytes += extent.bytes;
      return extent;
    },
    read(extent, from, into) {
      try {
        for (let done = 0; done < into.byteLength; ) {
          const got = readSync(file, into, done, into.byteLength - done, extent.offset + from + done);
          if (got === 0) return false;
          done += got;
        }
        return true;
      } catch {
        return false;
      }
    },
    free(extent) {
      usedBytes -= extent.bytes;
      giveBack(extent);
    },
    close() {
      closeSync(file);
      if (process.platform === 'win32') rmSync(path, { force: true });
    },
  };
}
