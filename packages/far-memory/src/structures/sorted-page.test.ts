import { expect, it } from 'vitest';
import { createViews } from '../arena/views.ts';
import { bytes, u32 } from '../layout/index.ts';
import { createCodec } from './entry.ts';
import { alignedEntryBytes, createSortedPage } from './sorted-page.ts';

it('a page that was split has the room of what left it, and both halves have their keys in order', () => {
  const pageBytes = 1024;
  const page = createSortedPage(createViews(new SharedArrayBuffer(2 * pageBytes)), pageBytes);
  const key = createCodec(bytes(4));
  const value = createCodec(u32);
  const entryBytes = alignedEntryBytes(4, 4);
  const prepare = (number: number) => {
    key.encode(Uint8Array.of(0, 0, number >>> 8, number & 255));
    value.encode(number);
    return page.search(0, key, 4);
  };
  page.begin(0);
  let entries = 0;
  for (; page.makeRoom(0, entryBytes); entries++) page.insert(0, prepare(entries * 2), key, 4, value, 4);
  expect(entries).toBeGreaterThan(30);
  page.split(0, pageBytes);
  const kept = page.count(0);
  expect(kept + page.count(pageBytes)).toBe(entries);
  expect(Math.abs(kept - entries / 2)).toBeLessThanOrEqual(1);
  expect(page.hasKeyAt(0, prepare((kept - 1) * 2), key, 4)).toBe(true);
  prepare(kept * 2);
  expect(page.hasKeyAt(pageBytes, 0, key, 4)).toBe(true);
  // As many entries as before fit again.
  for (let added = 0; added < entries - kept; added++) {
    expect(page.makeRoom(0, entryBytes)).toBe(true);
    page.insert(0, prepare(added * 2 + 1), key, 4, value, 4);
  }
  expect(page.count(0)).toBe(entries);
});
