import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { AccessKind } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTrace } from '../open.ts';
import { type PlainAccess, readAll, readerOf, records, temporaryFolder } from '../reading.case.ts';
import { writeChampsim } from './champsim.ts';
import { writeDrmemtrace } from './drmemtrace.ts';
import { writeCsv, writeDin } from './text.ts';

const folder = temporaryFolder();

const address = fc.bigInt({ min: 0x1000n, max: 0x7fffffffffffn });
const access: fc.Arbitrary<PlainAccess> = fc.record({
  address,
  kind: fc.constantFrom<number>(AccessKind.load, AccessKind.store, AccessKind.fetch, AccessKind.prefetch),
  size: fc.integer({ min: 1, max: 64 }),
  thread: fc.constantFrom(7, 42, 3),
  process: fc.constant(100),
});
const trace = fc.array(access, { minLength: 1, maxLength: 300 });

/** Adds the PC that a reader derives: the last fetch of the same thread run. */
function withPhysical(accesses: PlainAccess[]): PlainAccess[] {
  return accesses.map((plain) => ({
    ...plain,
    physical: ((plain.address ^ 0x5a5a000n) & 0x3fffffff000n) | 0x40000000000n | (plain.address & 0xfffn),
  }));
}

/** Record types of drmemtrace's trace_entry.h that stand for an access, written down here once more so that no reader of ours is trusted. */
function kindOf(type: number, size: number): number | undefined {
  if (type === 0) return AccessKind.load;
  if (type === 1) return AccessKind.store;
  if (type <= 9 || (type >= 32 && type <= 46)) return AccessKind.prefetch;
  const isInstruction = type <= 16 || type === 31 || type === 48 || type === 49;
  // An instruction of size 0 only tells the PC of the data that follows.
  return isInstruction && size > 0 ? AccessKind.fetch : undefined;
}

/** Decodes packed records of 12 bytes (u16 type, u16 size, u64 address) one by one. */
function naivelyDecoded(bytes: Buffer): { readonly accesses: PlainAccess[]; readonly types: number[] } {
  const accesses: PlainAccess[] = [];
  const types: number[] = [];
  let thread = -1;
  let process = -1;
  for (let at = 0; at < bytes.length; at += 12) {
    const type = bytes.readUInt16LE(at);
    const size = bytes.readUInt16LE(at + 2);
    const address = bytes.readBigUInt64LE(at + 4);
    types.push(type);
    if (type === 22) thread = Number(address);
    if (type === 24) process = Number(address);
    const kind = kindOf(type, size);
    if (kind !== undefined) accesses.push({ address, kind, size, thread, process });
  }
  return { accesses, types };
}

/** The components of a zip with 64-bit sizes, in the order of its central directory, inflated and joined (APPNOTE 4.3.12, 4.3.14, 4.5.3). */
function naivelyUnzipped(zip: Buffer): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\x06\x06', 'latin1'));
  const components: Buffer[] = [];
  let entry = Number(zip.readBigUInt64LE(end + 48));
  for (let left = Number(zip.readBigUInt64LE(end + 32)); left > 0; left--) {
    // Behind the name: the extra field's number and length, then bytes, compressed bytes and the place of the component.
    const extra = entry + 46 + zip.readUInt16LE(entry + 28);
    expect(zip.readUInt16LE(extra)).toBe(1);
    const local = Number(zip.readBigUInt64LE(extra + 20));
    const content = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const component = inflateRawSync(zip.subarray(content, content + Number(zip.readBigUInt64LE(extra + 12))));
    expect(component.length).toBe(Number(zip.readBigUInt64LE(extra + 4)));
    components.push(component);
    entry = extra + zip.readUInt16LE(entry + 30) + zip.readUInt16LE(entry + 32);
  }
  return Buffer.concat(components);
}

/** A trace with its physical addresses, record by record and straight from the description (specification formats B1): nothing of the reader is used. */
function naiveDrmemtrace(bytes: Buffer, physical: boolean): PlainAccess[] {
  const accesses: PlainAccess[] = [];
  const frameOf = new Map<bigint, bigint>();
  let [thread, process, physicalPage, finished] = [-1, -1, 0n, false];
  expect(bytes.length % 12).toBe(0);
  for (let at = 0; at < bytes.length; at += 12) {
    expect(finished, 'nothing follows the footer').toBe(false);
    const type = bytes.readUInt16LE(at);
    const size = bytes.readUInt16LE(at + 2);
    const value = bytes.readBigUInt64LE(at + 4);
    if (at === 0) expect([type, value], 'the header comes first').toEqual([25, 6n]);
    const access = (kind: number) => {
      const frame = frameOf.get(value >> 12n);
      const where = physical && frame !== undefined ? { physical: frame | (value & 0xfffn) } : {};
      accesses.push({ address: value, kind, size, thread, process, ...where });
    };
    if (type === 22) thread = Number(value);
    else if (type === 24) process = Number(value);
    else if (type === 26) finished = true;
    else if (type === 28 && size === 15) physicalPage = value;
    else if (type === 28 && size === 17) frameOf.set(value >> 12n, physicalPage);
    else if (type === 0) access(AccessKind.load);
    else if (type === 1) access(AccessKind.store);
    else if (type === 2) access(AccessKind.prefetch);
    // An instruction without bytes only sets the program counter.
    else if (type === 10 && size > 0) access(AccessKind.fetch);
    else expect([10, 23, 25, 28], `a record of type ${type}`).toContain(type);
  }
  expect(finished, 'the footer comes last').toBe(true);
  return accesses;
}

describe('a drmemtrace export', () => {
  it.each([
    ['naive.trace', (bytes: Buffer) => bytes],
    ['naive.trace.gz', (bytes: Buffer) => gunzipSync(bytes)],
    ['naive.zip', naivelyUnzipped],
  ] as const)('is to a naive decoder of the published layout what was written (%s)', async (name, unpacked) => {
    await fc.assert(
      fc.asyncProperty(trace, async (accesses) => {
        await writeDrmemtrace(folder.path(name), readerOf(accesses), { chunkInstructions: 20 });
        const back = naivelyDecoded(unpacked(readFileSync(folder.path(name))));
        expect(back.accesses).toEqual(accesses);
        expect([back.types[0], back.types.at(-1)]).toEqual([25, 26]);
      }),
      { numRuns: 20 },
    );
  });

  it.each(['t.trace', 't.trace.gz', 't.trace.zip'])('reads back access by access (%s)', async (name) => {
    await fc.assert(
      fc.asyncProperty(trace, async (accesses) => {
        const path = folder.path(name);
        const { accesses: written } = await writeDrmemtrace(path, readerOf(accesses), { chunkInstructions: 20 });
        const back = await readAll(path);
        expect(back.accesses).toEqual(accesses);
        expect(written).toBe(accesses.length);
        expect(back.summary.format).toBe('drmemtrace');
      }),
      { numRuns: 20 },
    );
  });

  it('tells physical pages, threads and sizes to a reader written from the format alone', async () => {
    await fc.assert(
      fc.asyncProperty(trace, fc.boolean(), async (plain, physical) => {
        const accesses = physical ? withPhysical(plain) : plain;
        const path = folder.path('naive.trace.gz');
        await writeDrmemtrace(path, readerOf(accesses));
        expect(naiveDrmemtrace(gunzipSync(readFileSync(path)), physical)).toEqual(accesses);
      }),
      { numRuns: 40 },
    );
  });

  it('covers the whole system only where a physical address is known', async () => {
    const unknown = readerOf([
      { address: 0x5000n, kind: AccessKind.load, size: 8, thread: 1, process: 1, physical: 0n },
    ]);
    const path = folder.path('unknown.trace');
    await writeDrmemtrace(path, unknown);
    expect((await readAll(path)).summary.dialect).toBe('version 6, x86-64');
  });

  it('carries physical addresses as marker pairs and says that it covers the whole system', async () => {
    const accesses = withPhysical(fc.sample(trace, { numRuns: 1, seed: 5 })[0]!);
    const path = folder.path('physical.zip');
    await writeDrmemtrace(path, readerOf(accesses));
    const back = await readAll(path, { columns: { physical: true } });
    expect(back.accesses).toEqual(accesses);
    expect(back.summary.dialect).toBe('version 6, x86-64, core-sharded, whole system');
  });

  it('begins and ends with the records that DynamoRIO expects, and has an instruction before each data record', async () => {
    const path = folder.path('order.trace');
    const load = { address: 0x5000n, kind: AccessKind.load, size: 8, thread: 9, process: 4 };
    await writeDrmemtrace(path, readerOf([load, load]));
    const bytes = new Uint8Array(readFileSync(path));
    expect(bytes).toEqual(
      records([
        [25, 0, 6],
        [28, 12, 6],
        [28, 9, 0x40],
        [22, 4, 9],
        [24, 4, 4],
        [28, 10, 64],
        [28, 20, 0],
        [28, 18, 4096],
        [28, 2, 13_411_699_200_000_000n],
        [28, 3, 0],
        [10, 0, 0],
        [0, 8, 0x5000],
        [0, 8, 0x5000],
        [23, 4, 9],
        [26, 0, 0],
      ]),
    );
  });

  it('leaves nothing behind when reading fails', async () => {
    const broken = folder.file('broken.din', `${'0 1000\n1 20a0\n'.repeat(20_000)}what\n`);
    await expect(writeDrmemtrace(folder.path('out.trace'), await openTrace(broken))).rejects.toThrow(/line 40001/);
    await expect(writeDrmemtrace(folder.path('out.zip'), await openTrace(broken))).rejects.toThrow(/line 40001/);
    expect(readdirSync(folder.path('.')).filter((name) => name.includes('out.'))).toEqual([]);
  });

  it('to a folder that does not exist is refused in words', async () => {
    const reader = readerOf(fc.sample(trace, 1)[0]!);
    await expect(writeDrmemtrace(folder.path('no/where.trace'), reader)).rejects.toThrow(/its folder does not exist/);
  });
});

describe('a CSV export', () => {
  it('reads back access by access, with every column', async () => {
    await fc.assert(
      fc.asyncProperty(trace, address, async (accesses, pc) => {
        const full = withPhysical(accesses).map((plain) => ({ ...plain, pc }));
        const path = folder.path('t.csv.gz');
        await writeCsv(path, readerOf(full));
        expect((await readAll(path, { columns: { pc: true, physical: true } })).accesses).toEqual(full);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a din export', () => {
  it('reads back: extended with sizes, classic without, prefetches dropped and counted', async () => {
    await fc.assert(
      fc.asyncProperty(trace, fc.boolean(), async (accesses, extended) => {
        const path = folder.path('t.din');
        const { dropped } = await writeDin(path, readerOf(accesses), { extended });
        const kept = accesses.filter(({ kind }) => kind !== AccessKind.prefetch);
        expect(dropped.get('prefetch') ?? 0).toBe(accesses.length - kept.length);
        if (kept.length === 0) return;
        const expected = kept.map(({ address, kind, size }) => ({
          address,
          kind,
          size: extended ? size : 0,
          thread: 0,
          process: 0,
        }));
        expect((await readAll(path, { format: 'din' })).accesses).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a ChampSim export', () => {
  it('reads back the same loads, stores and fetches, loads of an instruction before its stores', async () => {
    await fc.assert(
      fc.asyncProperty(trace, async (accesses) => {
        const path = folder.path('t.champsimtrace');
        const data = accesses.filter(({ kind }) => kind !== AccessKind.prefetch);
        if (data.length === 0) return;
        const { accesses: written } = await writeChampsim(path, readerOf(accesses));
        expect(written).toBe(data.length);
        const back = (await readAll(path, { format: 'champsim' })).accesses;
        for (const kind of [AccessKind.load, AccessKind.store])
          expect(back.filter((plain) => plain.kind === kind).map(({ address }) => address)).toEqual(
            data.filter((plain) => plain.kind === kind).map(({ address }) => address),
          );
        const fetched = new Set(back.filter(({ kind }) => kind === AccessKind.fetch).map(({ address }) => address));
        for (const { address, kind } of data) if (kind === AccessKind.fetch) expect(fetched.has(address)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('of one instruction with its data is one record', async () => {
    const path = folder.path('one.champsimtrace.gz');
    const plain = { size: 0, thread: 0, process: 0 };
    const accesses = [
      { ...plain, address: 0x401000n, kind: AccessKind.fetch },
      { ...plain, address: 0x7fff0000n, kind: AccessKind.load },
      { ...plain, address: 0x7fff0040n, kind: AccessKind.store },
    ];
    await writeChampsim(path, readerOf(accesses));
    const back = await readAll(path);
    expect(back.accesses).toEqual(accesses);
    expect(back.summary.format).toBe('champsim');
  });
});
