import type { Views } from '../arena/views.ts';
import { createEntryView, type EncodedBytes, entryBytes } from './entry.ts';

/**
 * Entries in the order of their keys within one object. From its start: count, end of the entries, bytes of removed entries (4 bytes each),
 * then entries at multiples of 8; from its end backwards, the offset / 8 of each entry in order, 2 bytes each.
 */
export interface SortedPage {
  count(page: number): number;
  /** Makes an empty page of zeros one. */
  begin(page: number): void;
  /** Index of the first entry whose key is not below the codec's. */
  search(page: number, key: EncodedBytes, keyBytes: number): number;
  hasKeyAt(page: number, index: number, key: EncodedBytes, keyBytes: number): boolean;
  /** Byte offset of an entry in local memory. */
  entryAt(page: number, index: number): number;
  /** Whether an entry of so many bytes fits, after closing the holes of removed ones. */
  makeRoom(page: number, bytes: number): boolean;
  insert(
    page: number,
    index: number,
    key: EncodedBytes,
    keyBytes: number,
    value: EncodedBytes,
    valueBytes: number,
  ): void;
  remove(page: number, index: number): void;
  /** Moves the upper half of the bytes to an empty page. */
  split(page: number, target: number): void;
}

const FIRST_ENTRY = 16;
const SLOT_BYTES = 2;
const UNIT = 8;

export function alignedEntryBytes(keyBytes: number, valueBytes: number): number {
  return (entryBytes(keyBytes, valueBytes) + UNIT - 1) & -UNIT;
}

/** The largest entry: four fit, so that splitting always helps. */
export function largestEntryBytes(pageBytes: number): number {
  return Math.floor((pageBytes - FIRST_ENTRY) / 4) - SLOT_BYTES;
}

export function createSortedPage(views: Views, pageBytes: number): SortedPage {
  const { u8, u16, u32 } = views;
  const entry = createEntryView(views);
  const scratch = new Uint8Array(pageBytes);

  const count = (page: number) => u32[page >>> 2]!;
  const end = (page: number) => u32[(page >>> 2) + 1]!;
  const removed = (page: number) => u32[(page >>> 2) + 2]!;
  const slot = (page: number, index: number) => (page + pageBytes - SLOT_BYTES * (index + 1)) >>> 1;
  const entryAt = (page: number, index: number) => page + u16[slot(page, index)]! * UNIT;
  const sizeAt = (offset: number) => alignedEntryBytes(entry.keyBytes(offset), entry.valueBytes(offset));

  function setHeader(page: number, entries: number, endOffset: number, removedBytes: number): void {
    u32[page >>> 2] = entries;
    u32[(page >>> 2) + 1] = endOffset;
    u32[(page >>> 2) + 2] = removedBytes;
  }

  /** Below, at or above zero: the entry's key against the codec's, byte by byte, shorter first. */
  function compare(offset: number, key: EncodedBytes, keyBytes: number): number {
    const start = entry.keyOffset(offset);
    const length = entry.keyBytes(offset);
    const common = Math.min(length, keyBytes);
    for (let index = 0; index < common; index++) {
      const difference = u8[start + index]! - key.u8[index]!;
      if (difference !== 0) return difference;
    }
    return length - keyBytes;
  }

  function copyEntry(from: number, page: number): void {
    const size = sizeAt(from);
    const index = count(page);
    const to = end(page);
    u8.copyWithin(page + to, from, from + size);
    u16[slot(page, index)] = to / UNIT;
    setHeader(page, index + 1, to + size, removed(page));
  }

  function compact(page: number): void {
    const entries = count(page);
    const offsets = Array.from({ length: entries }, (_, index) => u16[slot(page, index)]! * UNIT);
    const sizes = offsets.map((offset) => sizeAt(page + offset));
    scratch.set(u8.subarray(page, page + pageBytes));
    let to = FIRST_ENTRY;
    for (const [index, offset] of offsets.entries()) {
      u8.set(scratch.subarray(offset, offset + sizes[index]!), page + to);
      u16[slot(page, index)] = to / UNIT;
      to += sizes[index]!;
    }
    setHeader(page, entries, to, 0);
  }

  function isRoom(page: number, bytes: number): boolean {
    return end(page) + bytes + SLOT_BYTES * (count(page) + 1) <= pageBytes;
  }

  return {
    count,
    begin: (page) => setHeader(page, 0, FIRST_ENTRY, 0),
    search(page, key, keyBytes) {
      let low = 0;
      let high = count(page);
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (compare(entryAt(page, middle), key, keyBytes) < 0) low = middle + 1;
        else high = middle;
      }
      return low;
    },
    hasKeyAt: (page, index, key, keyBytes) => index < count(page) && compare(entryAt(page, index), key, keyBytes) === 0,
    entryAt,
    makeRoom(page, bytes) {
      if (isRoom(page, bytes)) return true;
      if (removed(page) > 0) compact(page);
      return isRoom(page, bytes);
    },
    insert(page, index, key, keyBytes, value, valueBytes) {
      const entries = count(page);
      const offset = end(page);
      entry.write(page + offset, key, keyBytes, value, valueBytes);
      for (let at = entries; at > index; at--) u16[slot(page, at)] = u16[slot(page, at - 1)]!;
      u16[slot(page, index)] = offset / UNIT;
      setHeader(page, entries + 1, offset + alignedEntryBytes(keyBytes, valueBytes), removed(page));
    },
    remove(page, index) {
      const entries = count(page);
      const freed = sizeAt(entryAt(page, index));
      for (let at = index; at < entries - 1; at++) u16[slot(page, at)] = u16[slot(page, at + 1)]!;
      setHeader(page, entries - 1, end(page), removed(page) + freed);
    },
    split(page, target) {
      const entries = count(page);
      const half = (end(page) - FIRST_ENTRY - removed(page)) / 2;
      let kept = 0;
      for (let bytes = 0; kept < entries - 1 && bytes < half; kept++) bytes += sizeAt(entryAt(page, kept));
      setHeader(target, 0, FIRST_ENTRY, 0);
      let moved = 0;
      for (let index = kept; index < entries; index++) {
        const from = entryAt(page, index);
        moved += sizeAt(from);
        copyEntry(from, target);
      }
      setHeader(page, kept, end(page), removed(page) + moved);
    },
  };
}
