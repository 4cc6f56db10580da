import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AccessBlock, AccessKind, createBlock, createRandom, StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import type { ReadOptions } from '../reader.ts';
import { createNativeWriter, openNative } from './index.ts';

const folder = temporaryFolder('native');
let files = 0;
const newPath = () => join(folder, `${files++}.strata`);

const everything: ReadOptions = { events: true, columns: { pc: true, physical: true } };
const summary = { threads: [7, 9], processes: [3], dropped: new Map([['markers', 2]]), warnings: ['filtered by L1'] };
const source = { format: 'test', dialect: 'rows', compression: ['zstd'], sha256: 'ab' };

/** A row as plain numbers: lo, hi, kind, size, thread, process, and pc and physical where the block has them. */
type Row = readonly number[];

function rowsOf(block: AccessBlock): Row[] {
  const { lo, hi, kind, size, thread, process, pcLo, pcHi, physicalLo, physicalHi } = block;
  return Array.from({ length: block.length }, (_, row) =>
    [lo, hi, kind, size, thread, process, pcLo, pcHi, physicalLo, physicalHi].flatMap((column) =>
      column === undefined ? [] : [column[row]!],
    ),
  );
}

function blockOf(rows: readonly Row[], columns: { pc: boolean; physical: boolean }): AccessBlock {
  const block = createBlock(Math.max(1, rows.length), columns);
  const targets = [block.lo, block.hi, block.kind, block.size, block.thread, block.process];
  if (block.pcLo && block.pcHi) targets.push(block.pcLo, block.pcHi);
  if (block.physicalLo && block.physicalHi) targets.push(block.physicalLo, block.physicalHi);
  rows.forEach((row, index) => {
    targets.forEach((target, column) => {
      target[index] = row[column]!;
    });
  });
  block.length = rows.length;
  return block;
}

async function store(path: string, blocks: readonly AccessBlock[], chunkRows = 64) {
  const writer = await createNativeWriter(path, { chunkRows });
  for (const block of blocks) await writer.write(block);
  return writer.finish(source, summary);
}

async function load(path: string, options: ReadOptions = everything): Promise<Row[]> {
  const reader = await openNative(path, options);
  const rows: Row[] = [];
  try {
    for await (const block of reader.blocks()) rows.push(...rowsOf(block));
  } finally {
    await reader.close();
  }
  return rows;
}

/** Fails unless reading the whole file throws a StrataError; returns it. */
async function refusal(path: string, options?: ReadOptions): Promise<StrataError> {
  try {
    await load(path, options);
  } catch (error) {
    if (error instanceof StrataError) return error;
    throw error;
  }
  throw new Error('the file was read without complaint');
}

const word = fc.oneof(
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_f000, 0xffff_fff8),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.integer({ min: 0, max: 0x400 }).map((page) => 0x5000_0000 + page * 8),
);
const high = fc.constantFrom(0, 1, 0x7fff, 0xffff_8000, 0xffff_ffff);
const small = (max: number) => fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max }));
const kind = fc.constantFrom(...Object.values(AccessKind));
const anyRow = fc.tuple(word, high, kind, small(65_535), small(65_535), small(65_535), word, high, word, high);

/** A few kilobytes that use every plane: streams, jumps, two threads, events, changed mappings. */
function variedRows(count: number): Row[] {
  const random = createRandom(11);
  return Array.from({ length: count }, (_, index) => {
    const lo = random.below(4) === 0 ? random.uint32() : (0x1000 + index * 8) >>> 0;
    const hi = random.below(9) === 0 ? 0x7fff : 0;
    const pc = 0x40_0000 + (index % 5) * 4;
    return [lo, hi, index % 17 === 0 ? 18 : index % 4, 1 << (index % 4), (index >> 3) & 1, 0, pc, 0, lo & 0xffff, 3];
  });
}

describe('the native format', () => {
  it('gives back every row, whatever the values', async () => {
    const columns = fc.record({ pc: fc.boolean(), physical: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(columns, fc.array(fc.array(anyRow, { maxLength: 90 }), { maxLength: 4 }), async (has, parts) => {
        const blocks = parts.map((rows) =>
          blockOf(
            rows.map((row) => [
              ...row.slice(0, 6),
              ...(has.pc ? row.slice(6, 8) : []),
              ...(has.physical ? row.slice(8) : []),
            ]),
            has,
          ),
        );
        const path = newPath();
        await store(path, blocks);
        expect(await load(path)).toEqual(blocks.flatMap(rowsOf));
        rmSync(path);
      }),
      { numRuns: 150 },
    );
  });

  it('ends a chunk early rather than hold more than 256 forms', async () => {
    const rows = Array.from({ length: 1000 }, (_, index): Row => [index, 0, 0, index, 0, 0]);
    const path = newPath();
    await store(path, [blockOf(rows, { pc: false, physical: false })], 4096);
    expect(await load(path)).toEqual(rows);
    const reader = await openNative(path);
    expect(reader.chunks).toBe(4);
    await reader.close();
  });

  it('carries its manifest', async () => {
    const path = newPath();
    const manifest = await store(path, [blockOf(variedRows(500), { pc: true, physical: true })]);
    const reader = await openNative(path);
    expect(reader.manifest).toEqual(manifest);
    expect(manifest).toMatchObject({
      source: { format: 'test', compression: ['zstd'], sha256: 'ab' },
      columns: { pc: true, physical: true },
      accesses: 500 - 30,
      events: 30,
      threads: [7, 9],
      processes: [3],
      dropped: { markers: 2 },
      warnings: ['filtered by L1'],
    });
    expect([...reader.summary.dropped]).toEqual([['markers', 2]]);
    expect(reader.accesses).toBe(470);
    await reader.close();
  });

  it('leaves out columns and events that are not asked for', async () => {
    const path = newPath();
    const rows = variedRows(500);
    await store(path, [blockOf(rows, { pc: true, physical: true })]);
    const accesses = rows.filter((row) => row[2]! < 16);
    expect(await load(path, {})).toEqual(accesses.map((row) => row.slice(0, 6)));
    expect(await load(path, { columns: { physical: true } })).toEqual(
      accesses.map((row) => [...row.slice(0, 6), ...row.slice(8)]),
    );
  });

  it('gives several readers their own rows when they take turns', async () => {
    const random = createRandom(5);
    const columns = { pc: true, physical: true };
    const traces = [1, 2, 3].map((process) =>
      Array.from({ length: 50_000 }, (_, row): Row => {
        const word = () => random.uint32() >>> 2;
        const lo = row % 3 === 0 ? word() : (row * 8) >>> 0;
        return [lo, process, row % 2, 8, 1 + (row % 5 === 0 ? 1 : 0), process, word() % 4096, 0, word(), process];
      }),
    );
    const readers = [];
    for (const rows of traces) {
      const path = newPath();
      await store(path, [blockOf(rows, columns)], 20_000);
      const reader = await openNative(path, everything);
      readers.push({ reader, blocks: reader.blocks(), rows, at: 0 });
    }
    for (let left = readers; left.length > 0; ) {
      const open: typeof readers = [];
      for (const turn of left) {
        const { value, done } = await turn.blocks.next();
        if (done) continue;
        const got = rowsOf(value);
        expect(got).toEqual(turn.rows.slice(turn.at, turn.at + got.length));
        turn.at += got.length;
        open.push(turn);
      }
      left = open;
    }
    for (const { reader, rows, at } of readers) {
      expect(at).toBe(rows.length);
      await reader.close();
    }
  });

  it('seeks to where skipping leads, and limits', async () => {
    const path = newPath();
    const rows = variedRows(700);
    await store(path, [blockOf(rows, { pc: true, physical: true })]);
    const accesses = rows.filter((row) => row[2]! < 16);
    const reader = await openNative(path, { columns: everything.columns! });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 720 }), fc.nat({ max: 720 }), async (skip, limit) => {
        const expected = accesses.slice(skip);
        expect(await load(path, { columns: everything.columns!, skip, limit })).toEqual(expected.slice(0, limit));
        reader.seek(skip);
        const found: Row[] = [];
        for await (const block of reader.blocks()) found.push(...rowsOf(block));
        expect(found).toEqual(expected);
      }),
      { numRuns: 60 },
    );
    await reader.close();
  });

  it('counts what it delivers', async () => {
    const path = newPath();
    await store(path, [blockOf(variedRows(320), { pc: true, physical: true })]);
    const reader = await openNative(path, { skip: 3, limit: 100 });
    const kinds = [0, 0, 0, 0];
    for await (const block of reader.blocks()) for (const of of block.kind.subarray(0, block.length)) kinds[of]!++;
    const { accesses, loads, stores, fetches, prefetches } = reader.summary;
    expect([accesses, loads, stores, fetches, prefetches]).toEqual([100, ...kinds]);
    await reader.close();
  });

  it('stores the same bytes for the same rows, however they are cut into blocks', async () => {
    const rows = variedRows(300);
    const [whole, parts] = [newPath(), newPath()];
    const has = { pc: true, physical: true };
    await store(whole, [blockOf(rows, has)]);
    await store(parts, [blockOf(rows.slice(0, 17), has), blockOf([], has), blockOf(rows.slice(17), has)]);
    expect(readFileSync(parts).equals(readFileSync(whole))).toBe(true);
  });

  it('holds an empty trace', async () => {
    const path = newPath();
    await store(path, []);
    expect(await load(path)).toEqual([]);
  });
});

describe('a damaged native trace', () => {
  const path = newPath();
  const good = async () => {
    await store(path, [blockOf(variedRows(80), { pc: true, physical: true })]);
    return readFileSync(path);
  };

  it('is refused whichever byte is flipped, with its place', async () => {
    const bytes = await good();
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = flipped[at]! ^ (1 << (at % 8));
      writeFileSync(path, flipped);
      const error = await refusal(path);
      if (at < 8) expect(error.code).toBe('trace.not-native');
      else {
        expect(error.code).toMatch(/^trace\.(corrupt|truncated)$/);
        expect(error.message).toMatch(/(header|chunk \d+|footer|trailer) at byte \d+/);
      }
    }
  });

  it('names the chunk that is damaged', async () => {
    const bytes = await good();
    const reader = await openNative(path);
    await reader.close();
    // The second chunk begins after the header and the first.
    const second = 24 + 32 + bytes.readUInt32LE(24 + 8);
    bytes[second + 40]! ^= 1;
    writeFileSync(path, bytes);
    expect((await refusal(path)).where).toBe(`${path}, chunk 1 at byte ${second}`);
  });

  it('is refused when cut at any byte, and read as far as it goes when that is allowed', async () => {
    const bytes = await good();
    const rows = await load(path);
    let longest = 0;
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      const error = await refusal(path);
      expect(error.code).toBe(length < 8 ? 'trace.not-native' : 'trace.truncated');
      if (length < 24) continue;
      const found = await load(path, { ...everything, allowTruncated: true });
      expect(found).toEqual(rows.slice(0, found.length));
      longest = Math.max(longest, found.length);
    }
    expect(longest).toBe(rows.length);
  });

  it('is refused when bytes follow the end', async () => {
    writeFileSync(path, Buffer.concat([await good(), Buffer.from('more')]));
    expect((await refusal(path)).message).toContain('4 bytes after it');
  });

  it('never yields anything but a StrataError on random bytes', async () => {
    const start = (await good()).subarray(0, 24);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        writeFileSync(path, Buffer.concat([start, bytes]));
        await refusal(path);
      }),
      { numRuns: 100 },
    );
  });

  it('says which version it wants', async () => {
    const bytes = await good();
    const { crc32 } = await import('node:zlib');
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20);
    writeFileSync(path, bytes);
    expect((await refusal(path)).message).toMatch(/version 1, found version 2/);
  });
});

describe('the native writer', () => {
  it('leaves nothing behind when it is aborted', async () => {
    const before = readdirSync(folder).length;
    const writer = await createNativeWriter(newPath());
    await writer.write(blockOf(variedRows(100), { pc: true, physical: true }));
    await writer.abort();
    expect(readdirSync(folder)).toHaveLength(before);
  });

  it('refuses a folder that does not exist', async () => {
    await expect(createNativeWriter(join(folder, 'none', 'a.strata'))).rejects.toMatchObject({
      code: 'output.unwritable',
    });
  });

  it('does not touch a file of that name before it is finished', async () => {
    const path = newPath();
    writeFileSync(path, 'old');
    const writer = await createNativeWriter(path);
    expect(readFileSync(path, 'utf8')).toBe('old');
    await writer.abort();
    expect(readFileSync(path, 'utf8')).toBe('old');
  });
});
