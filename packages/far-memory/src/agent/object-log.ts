import { crc32 } from 'node:zlib';
import { status } from '../protocol/frames.ts';
import { createObjectIndex } from '../protocol/object-index.ts';
import type { Segment, SegmentPool } from './segments.ts';

/**
 * What one client stores: a log of records in segments, an index from (group, id) to the record, and a cleaner that copies what is still
 * wanted out of the emptiest segments. A record is
 *
 *     size u32 | group u32 | id f64 | version f64 | crc32 u32 | 0 u32 | the object's bytes | padding to 8
 *
 * so that a segment can be walked from its start, and objects lie 8-aligned. The crc is filled in when the segment goes to disk.
 */
export interface ObjectLog {
  readonly objects: number;
  /** Bytes of wanted records with their headers: what the quota counts. */
  readonly liveBytes: number;
  /** Bytes of all segments in memory. */
  readonly memoryBytes: number;
  readonly spilledBytes: number;
  quotaBytes: number;
  /** The object's bytes, borrowed until the next call that changes the log. */
  read(group: number, id: number): StoredObject;
  /** Stores a version unless a later one is there; a status of the protocol. What was there before stays when it is refused. */
  put(group: number, id: number, version: number, bytes: Uint8Array): number;
  /** Forgets an object unless its version is later than this; whether it was there. */
  free(group: number, id: number, version: number): boolean;
  /** Forgets a group, or everything, up to a version; how many objects. */
  drop(group: number | 'all', version: number): number;
  usageOf(group: number): { readonly objects: number; readonly bytes: number };
  /** Compacts the emptiest segment in memory when that gains anything; whether it did. */
  clean(): boolean;
  /** Gives all memory back. */
  close(): void;
}

export type StoredObject =
  | { readonly status: typeof status.ok; readonly bytes: Uint8Array; readonly version: number }
  | { readonly status: typeof status.absent | typeof status.unreadable };

export const recordHeaderBytes = 32;
const absent: StoredObject = { status: status.absent };
const unreadable: StoredObject = { status: status.unreadable };
/** Part of the log that may be dead before each new segment is preceded by cleaning. */
const deadShareToClean = 0.25;
/** A segment with a smaller dead part is not worth copying. */
const leastDeadShare = 0.05;

export function recordBytes(objectBytes: number): number {
  return recordHeaderBytes + Math.ceil(objectBytes / 8) * 8;
}

/** @param reclaim asks the other clients of the pool to clean; whether any memory came free */
export function createObjectLog(
  pool: SegmentPool,
  quotaBytes: number,
  reclaim: () => boolean = () => false,
): ObjectLog {
  const index = createObjectIndex({ segment: 'u32', offset: 'u32', size: 'u32', version: 'f64' });
  const segments = new Map<number, Segment>();
  let quota = quotaBytes;
  let nextSegment = 1;
  let head: { readonly number: number; readonly segment: Segment } | undefined;
  const count = { liveBytes: 0, memoryBytes: 0, spilledBytes: 0 };

  function openSegment(bytes: number, use: 'write' | 'cleaning'): boolean {
    const segment = pool.acquire(bytes, use);
    if (segment === undefined) return false;
    const number = nextSegment++;
    segments.set(number, segment);
    count.memoryBytes += segment.bytes;
    const full = head;
    head = { number, segment };
    if (full?.segment.live === 0) discard(full.number, full.segment);
    return true;
  }

  function discard(number: number, segment: Segment): void {
    if (segment.buffer !== undefined) count.memoryBytes -= segment.bytes;
    else count.spilledBytes -= segment.bytes;
    segments.delete(number);
    pool.release(segment);
  }

  function hasRoom(bytes: number): boolean {
    return head !== undefined && head.segment.bytes - head.segment.used >= bytes;
  }

  /** Makes room at the head for a record of this many bytes, by whatever still helps. */
  function makeRoom(bytes: number): boolean {
    if (hasRoom(bytes)) return true;
    if (deadBytes() > deadShareToClean * count.memoryBytes) clean();
    while (!hasRoom(bytes) && !openSegment(bytes, 'write')) if (!clean() && !reclaim() && !spillOldest()) return false;
    return true;
  }

  /** What cleaning every segment in memory would gain. */
  function deadBytes(): number {
    let dead = 0;
    for (const segment of segments.values()) if (segment.buffer !== undefined) dead += segment.used - segment.live;
    return dead;
  }

  /** Copies a record to the head, which has room. */
  function append(group: number, id: number, version: number, bytes: Uint8Array): void {
    const { number, segment } = head!;
    const buffer = segment.buffer!;
    const offset = segment.used;
    buffer.writeUInt32LE(bytes.byteLength, offset);
    buffer.writeUInt32LE(group, offset + 4);
    buffer.writeDoubleLE(id, offset + 8);
    buffer.writeDoubleLE(version, offset + 16);
    buffer.writeDoubleLE(0, offset + 24);
    buffer.set(bytes, offset + recordHeaderBytes);
    const size = recordBytes(bytes.byteLength);
    segment.used += size;
    segment.live += size;
    const row = index.insert(group, id);
    index.set('segment', row, number);
    index.set('offset', row, offset);
    index.set('size', row, bytes.byteLength);
    index.set('version', row, version);
  }

  /** The record at a row is wanted no longer; its segment goes when it was the last. */
  function kill(row: number): void {
    const number = index.get('segment', row);
    if (number === 0) return;
    const segment = segments.get(number)!;
    const size = recordBytes(index.get('size', row));
    segment.live -= size;
    count.liveBytes -= size;
    if (segment.live === 0 && segment !== head?.segment) discard(number, segment);
  }

  /** The segment with the largest dead part, where that part is worth the copying. */
  function emptiest(where: 'memory' | 'disk'): [number, Segment] | undefined {
    let found: [number, Segment] | undefined;
    let most = leastDeadShare;
    for (const entry of segments) {
      const [, segment] = entry;
      if (segment === head?.segment || (segment.buffer === undefined) !== (where === 'disk')) continue;
      const deadShare = (segment.used - segment.live) / segment.bytes;
      if (deadShare <= most) continue;
      most = deadShare;
      found = entry;
    }
    return found;
  }

  function clean(where: 'memory' | 'disk' = 'memory'): boolean {
    const victim = emptiest(where);
    if (victim === undefined) return false;
    const [number, segment] = victim;
    const buffer = segment.buffer ?? readBack(segment);
    if (buffer === undefined) return false;
    for (const record of walk(buffer, segment.used)) {
      const row = index.find(record.group, record.id);
      if (row < 0 || index.get('segment', row) !== number || index.get('offset', row) !== record.offset) continue;
      const size = recordBytes(record.bytes.byteLength);
      if (!hasRoom(size) && !openSegment(size, 'cleaning')) return false;
      append(record.group, record.id, index.get('version', row), record.bytes);
      segment.live -= size;
      pool.cleaned.bytes += size;
    }
    discard(number, segment);
    pool.cleaned.segments++;
    return true;
  }

  function readBack(segment: Segment): Buffer | undefined {
    const buffer = Buffer.allocUnsafeSlow(segment.bytes);
    if (pool.spill?.read(segment.extent!, 0, buffer) !== true) return undefined;
    for (const { bytes, crc } of walk(buffer, segment.used)) if (crc !== crc32(bytes)) return undefined;
    return buffer;
  }

  function spillOldest(): boolean {
    return spillSegment() || (clean('disk') && spillSegment());
  }

  function spillSegment(): boolean {
    const { spill } = pool;
    if (spill === undefined) return false;
    for (const segment of segments.values()) {
      if (segment === head?.segment || segment.buffer === undefined) continue;
      for (const record of walk(segment.buffer, segment.used))
        segment.buffer.writeUInt32LE(crc32(record.bytes), record.offset + 24);
      const extent = spill.write(segment.buffer);
      if (extent === undefined) return false;
      segment.extent = extent;
      pool.releaseMemory(segment);
      count.memoryBytes -= segment.bytes;
      count.spilledBytes += segment.bytes;
      return true;
    }
    return false;
  }

  function readSpilled(extent: NonNullable<Segment['extent']>, row: number): StoredObject {
    const size = index.get('size', row);
    const record = Buffer.allocUnsafeSlow(recordHeaderBytes + size);
    if (pool.spill?.read(extent, index.get('offset', row), record) !== true) return unreadable;
    const bytes = record.subarray(recordHeaderBytes);
    const isWhole =
      record.readUInt32LE(0) === size &&
      record.readUInt32LE(4) === index.groupOf(row) &&
      record.readDoubleLE(8) === index.idOf(row) &&
      record.readUInt32LE(24) === crc32(bytes);
    return isWhole ? { status: status.ok, bytes, version: index.get('version', row) } : unreadable;
  }

  function free(group: number, id: number, version: number): boolean {
    const row = index.find(group, id);
    if (row < 0 || index.get('version', row) > version) return false;
    kill(row);
    return index.remove(group, id);
  }

  return {
    get quotaBytes() {
      return quota;
    },
    set quotaBytes(bytes) {
      quota = bytes;
    },
    get objects() {
      return index.size;
    },
    get liveBytes() {
      return count.liveBytes;
    },
    get memoryBytes() {
      return count.memoryBytes;
    },
    get spilledBytes() {
      return count.spilledBytes;
    },
    read(group, id) {
      const row = index.find(group, id);
      if (row < 0) return absent;
      const segment = segments.get(index.get('segment', row))!;
      if (segment.buffer === undefined) return readSpilled(segment.extent!, row);
      const from = index.get('offset', row) + recordHeaderBytes;
      const bytes = segment.buffer.subarray(from, from + index.get('size', row));
      return { status: status.ok, bytes, version: index.get('version', row) };
    },
    put(group, id, version, bytes) {
      const before = index.find(group, id);
      if (before >= 0 && index.get('version', before) > version) return status.ok;
      const size = recordBytes(bytes.byteLength);
      const freed = before < 0 ? 0 : recordBytes(index.get('size', before));
      if (count.liveBytes - freed + size > quota) return status.overQuota;
      if (!makeRoom(size)) return status.agentFull;
      // Cleaning may have moved the former version.
      const row = index.find(group, id);
      if (row >= 0) kill(row);
      append(group, id, version, bytes);
      count.liveBytes += size;
      return status.ok;
    },
    free,
    drop(group, version) {
      const found: number[] = [];
      index.forEach((row) => {
        if ((group === 'all' || index.groupOf(row) === group) && index.get('version', row) <= version)
          found.push(index.groupOf(row), index.idOf(row));
      });
      for (let i = 0; i < found.length; i += 2) free(found[i]!, found[i + 1]!, version);
      return found.length / 2;
    },
    usageOf(group) {
      const usage = { objects: 0, bytes: 0 };
      index.forEach((row) => {
        if (index.groupOf(row) !== group) return;
        usage.objects++;
        usage.bytes += index.get('size', row);
      });
      return usage;
    },
    clean: () => clean(),
    close() {
      for (const segment of segments.values()) pool.release(segment);
      segments.clear();
      index.clear();
      head = undefined;
      Object.assign(count, { liveBytes: 0, memoryBytes: 0, spilledBytes: 0 });
    },
  };
}

interface LogRecord {
  readonly offset: number;
  readonly group: number;
  readonly id: number;
  readonly crc: number;
  readonly bytes: Uint8Array;
}

/** The records of a segment from its start, dead ones too. */
function* walk(buffer: Buffer, used: number): Generator<LogRecord> {
  for (let offset = 0; offset < used; ) {
    const size = buffer.readUInt32LE(offset);
    const from = offset + recordHeaderBytes;
    yield {
      offset,
      group: buffer.readUInt32LE(offset + 4),
      id: buffer.readDoubleLE(offset + 8),
      crc: buffer.readUInt32LE(offset + 24),
      bytes: buffer.subarray(from, from + size),
    };
    offset = from + Math.ceil(size / 8) * 8;
  }
}
