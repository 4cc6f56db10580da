import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { AccessKind } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { openTrace } from '../open.ts';
import { collect, readAll, records, temporaryFolder } from '../reading.case.ts';
import { readCpuSchedule, readSchedule } from './drmemtrace-schedule.ts';
import { parsePageMap, readPageMap } from './v2p.ts';

const folder = temporaryFolder();
type Entry = readonly [number, number, bigint | number];
const begin: Entry[] = [
  [25, 0, 6],
  [28, 12, 6],
];
const end: Entry = [26, 0, 0];

describe('drmemtrace records', () => {
  it('give data accesses the PC of their instruction', async () => {
    const path = folder.file(
      'pc',
      records([...begin, [10, 4, 0x1000], [0, 8, 0x5000], [47, 4, 0x90], [48, 2, 0x1004], [1, 8, 0x6000], end]),
    );
    const { accesses } = await readAll(path, { columns: { pc: true } });
    expect(accesses.map(({ pc }) => pc)).toEqual([0x1000n, 0x1000n, 0x1004n, 0x1004n]);
  });

  it('bind threads to processes', async () => {
    const path = folder.file(
      'threads',
      records([
        ...begin,
        [22, 4, 7],
        [24, 4, 70],
        [0, 8, 0x1000],
        [22, 4, 8],
        [24, 4, 80],
        [0, 8, 0x2000],
        [22, 4, 7],
        [0, 8, 0x3000],
        end,
      ]),
    );
    const { accesses } = await readAll(path);
    expect(accesses.map(({ thread, process }) => [thread, process])).toEqual([
      [7, 70],
      [8, 80],
      [7, 70],
    ]);
  });

  it('that are no accesses come when asked for, and are counted otherwise', async () => {
    const path = folder.file(
      'events',
      records([
        ...begin,
        [29, 2, 0x1000],
        [28, 2, 99],
        [20, 0, 0x4000],
        [21, 0, 0x4080],
        [18, 64, 0x8000],
        [23, 4, 7],
        end,
      ]),
    );
    const asked = await readAll(path, { events: true });
    expect(asked.accesses.map(({ kind, address, size }) => [kind, address, size])).toEqual([
      [AccessKind.marker, 6n, 12],
      [AccessKind.noFetch, 0x1000n, 2],
      [AccessKind.marker, 99n, 2],
      [AccessKind.other, 0x4000n, 0x80],
      [AccessKind.other, 0x8000n, 64],
      [AccessKind.threadExit, 7n, 4],
    ]);
    const { summary } = await readAll(path);
    expect(Object.fromEntries(summary.dropped)).toEqual({
      marker: 2,
      'instruction executed without fetch': 1,
      'cache flush': 2,
      'thread exit': 1,
    });
  });

  it('take all prefetches as prefetches, hardware ones too', async () => {
    const types = [2, 9, 27, 32, 46];
    const path = folder.file('prefetch', records([...begin, ...types.map((type): Entry => [type, 1, 0x1000]), end]));
    expect((await readAll(path)).summary.prefetches).toBe(types.length);
  });

  it('read the same in bulk and one by one, whatever stands between the plain ones', async () => {
    const other: readonly Entry[] = [
      [28, 2, 99],
      [22, 4, 8],
      [24, 4, 80],
      [29, 2, 0x1000],
      [17, 3, 0x050403],
      [10, 0, 0x4444],
      [20, 0, 0x4000],
    ];
    const stretch = fc.tuple(fc.nat(3000), fc.array(fc.constantFrom(...other), { maxLength: 4 }), fc.nat(2 ** 31));
    const plainTypes = [0, 1, 5, 10, 12, 47, 48, 27];
    await fc.assert(
      fc.asyncProperty(fc.array(stretch, { maxLength: 5 }), fc.boolean(), async (stretches, events) => {
        const entries = stretches.flatMap(([plain, others, seed]) => [
          ...Array.from({ length: plain }, (_, at): Entry => {
            const mixed = Math.imul(at + seed, 2_654_435_761) >>> 0;
            return [plainTypes[mixed >>> 29]!, mixed & 15, BigInt(mixed) << 9n];
          }),
          ...others,
        ]);
        const path = folder.file('mixed', records([...begin, [28, 16, 0x1000], ...entries, end]));
        const bulk = await readAll(path, { columns: { pc: true }, events });
        // Whoever wants physical addresses gets every record decoded by itself.
        const single = await readAll(path, { columns: { pc: true, physical: true }, events });
        expect(single.accesses.every((access) => 'physical' in access)).toBe(true);
        expect(bulk.accesses).toEqual(single.accesses.map(({ physical: _, ...access }) => access));
        expect(bulk.summary).toEqual(single.summary);
      }),
      { numRuns: 25 },
    );
  });

  it('translate by their marker pairs', async () => {
    const path = folder.file(
      'physical',
      records([
        ...begin,
        [28, 18, 4096],
        [28, 15, 0x12_3456_7000],
        [28, 17, 0x7f0000005000n],
        [0, 8, 0x7f0000005123n],
        [0, 8, 0x9000],
        [28, 16, 0x7f0000005000n],
        [0, 8, 0x7f0000005123n],
        end,
      ]),
    );
    const { accesses } = await readAll(path, { columns: { physical: true } });
    expect(accesses.map(({ physical }) => physical)).toEqual([0x12_3456_7123n, 0n, 0n]);
  });

  it('have no column of physical addresses where none are recorded', async () => {
    const path = folder.file('virtual', records([...begin, [28, 18, 4096], [0, 8, 0x5000], end]));
    expect((await readAll(path, { columns: { pc: true, physical: true } })).accesses[0]).not.toHaveProperty('physical');
  });

  it('of a filtered trace come with a warning', async () => {
    for (const bit of [1, 0x80, 0x100]) {
      const path = folder.file('filtered', records([...begin, [28, 9, 0x40 | bit], [0, 8, 0x1000], end]));
      expect((await readAll(path)).summary.warnings.join()).toMatch(/filtered trace: .* biases TLB/);
    }
  });

  it('of an unknown type, or without a header, are refused with their place', async () => {
    await expect(readAll(folder.file('type', records([...begin, [0, 8, 1], [99, 0, 0], end])))).rejects.toThrow(
      /type, byte 36: unknown record type/,
    );
    await expect(readAll(folder.file('head', records([[0, 8, 1], end])), { format: 'drmemtrace' })).rejects.toThrow(
      /byte 0: the trace does not begin with a header record/,
    );
  });

  it('of the wrong dialect are refused', async () => {
    const native = records(
      [
        [31, 0, 1],
        [28, 4, 5],
        [0, 8, 0x1000],
        [32, 0, 0],
      ],
      20,
    );
    await expect(readAll(folder.file('native', native), { format: 'drmemtrace' })).rejects.toThrow(/header record/);
    await expect(readAll(folder.file('native', native), { format: 'dmt-virt' })).rejects.toThrow(/header record/);
    expect((await readAll(folder.file('native', native))).summary.format).toBe('dmt-native');
  });
});

describe('a folder of thread files', () => {
  const path = folder.path('drmemtrace.app.1.dir');
  mkdirSync(join(path, 'trace'), { recursive: true });
  const thread = (tid: number, parts: readonly (readonly [number, number])[]): Uint8Array =>
    records([
      ...begin,
      [22, 4, tid],
      [24, 4, 1],
      ...parts.flatMap(([time, address]): Entry[] => [
        [28, 2, 13_000_000_000_000_000n + BigInt(time)],
        [28, 3, tid % 2],
        [10, 4, address],
        [0, 8, address + 0x100000],
      ]),
      [23, 4, tid],
      end,
    ]);
  writeFileSync(
    join(path, 'trace', 'drmemtrace.app.11.1.trace'),
    thread(11, [
      [10, 0x1000],
      [30, 0x1004],
      [31, 0x1008],
    ]),
  );
  writeFileSync(
    join(path, 'trace', 'drmemtrace.app.12.1.trace.gz'),
    gzipSync(
      thread(12, [
        [20, 0x2000],
        [25, 0x2004],
        [40, 0x2008],
      ]),
    ),
  );
  const schedule = new BigUint64Array(
    [
      [12, 5, 0, 0],
      [11, 6, 1, 0],
      [12, 7, 0, 2],
      [11, 8, 1, 1],
    ]
      .flat()
      .map(BigInt),
  );
  writeFileSync(join(path, 'trace', 'serial_schedule.bin.gz'), gzipSync(new Uint8Array(schedule.buffer)));
  const fetches = async (options: Parameters<typeof readAll>[1]) =>
    (await readAll(path, options)).accesses
      .filter(({ kind }) => kind === AccessKind.fetch)
      .map(({ address }) => Number(address));

  it('interleaves by time stamps', async () => {
    expect(await fetches({})).toEqual([0x1000, 0x2000, 0x2004, 0x1004, 0x1008, 0x2008]);
  });

  it('interleaves as a schedule file recorded', async () => {
    expect(await fetches({ interleave: 'serial-schedule' })).toEqual([0x2000, 0x2004, 0x1000, 0x2008, 0x1004, 0x1008]);
  });

  it('keeps the accesses of each thread in order and data behind its instruction', async () => {
    const { accesses, summary } = await readAll(path, { columns: { pc: true } });
    expect(summary.threads).toEqual([11, 12]);
    for (const { kind, address, pc } of accesses) if (kind === AccessKind.load) expect(address).toBe(pc! + 0x100000n);
  });

  it('refuses a folder without traces, a raw one, and a file in it that is no trace', async () => {
    const none = folder.path('none');
    mkdirSync(none);
    await expect(openTrace(none)).rejects.toThrow(/holds no drmemtrace thread files/);
    mkdirSync(join(none, 'raw'));
    await expect(openTrace(none)).rejects.toThrow(/not converted yet.*drraw2trace/);
    const odd = folder.path('odd');
    mkdirSync(odd);
    writeFileSync(join(odd, 'a.trace'), 'hello');
    await expect(openTrace(odd).then(collect)).rejects.toThrow(/a\.trace: not a drmemtrace thread file/);
    await expect(openTrace(none, { interleave: 'cpu-schedule', format: 'din' })).rejects.toThrow(/folder/);
  });

  it('without the schedule file asked for is refused', async () => {
    await expect(openTrace(path, { interleave: 'cpu-schedule' })).rejects.toThrow(
      /cpu_schedule\.bin\.zip: no such file/,
    );
  });
});

describe('a page map', () => {
  const map = `# v2p
address_mapping_group {
  page_size: 0x200000
  address_mapping { physical_address: 0x40000000 }
  address_mapping {
    virtual_address: 0x7f0000200000  # a comment
    physical_address: 0x80000000
  }
}
address_mapping_group { page_size: 4096 address_mapping { virtual_address: 0x5000 physical_address: 0x7000 } }
information { note: "a { b } # c" }
`;

  it('gives page, frame and page size; an address left out is 0', async () => {
    const expected = {
      mappings: [
        { vpn: 0, frame: 0x40000, pageBytes: 0x200000 },
        { vpn: 0x7f0000200, frame: 0x80000, pageBytes: 0x200000 },
        { vpn: 5, frame: 7, pageBytes: 4096 },
      ],
    };
    expect(parsePageMap(map, 'v2p')).toEqual(expected);
    expect(await readPageMap(folder.file('v2p.textproto.gz', gzipSync(map)))).toEqual(expected);
  });

  it('is refused with its line when it is cut or wrong', () => {
    expect(() => parsePageMap(map.slice(0, 120), 'v2p')).toThrow(/v2p, line \d+: the page map cannot be read/);
    expect(() => parsePageMap('address_mapping_group { page_size: 5 }', 'v2p')).toThrow(/line 1.*a page size of 4 KiB/);
    expect(() => parsePageMap('address_mapping { virtual_address: 0x5 }', 'v2p')).toThrow(/multiples of the page size/);
  });
});

describe.skipIf(!hasReference)(`reference recordings${referenceReason}`, () => {
  const sample = reference('traces/threadsig.x86_64/drmemtrace.threadsig.2765542.9400.dir');

  it('the artifact dialects of one trace give the same 400,000 accesses', async () => {
    const native = await openTrace(reference('translation/gups0.25.native.trace.zst'));
    const virt = await openTrace(reference('translation/gups0.25.virt.trace.zst'), { decompressors: 'builtin' });
    const virtBlocks = virt.blocks();
    let equal = 0;
    for await (const block of native.blocks()) {
      const { value: other } = await virtBlocks.next();
      for (let i = 0; i < block.length; i++)
        if (
          block.lo[i] === other.lo[i] &&
          block.hi[i] === other.hi[i] &&
          block.kind[i] === other.kind[i] &&
          block.size[i] === other.size[i]
        )
          equal++;
    }
    expect(equal).toBe(400_000);
    expect([native.summary.fetches, native.summary.loads, native.summary.stores]).toEqual([300_000, 50_000, 50_000]);
  });

  it('schedule files agree with each other and with the instruction counts of the thread files', async () => {
    const serial = await readSchedule(join(sample, 'trace/serial_schedule.bin.gz'));
    const perCpu = await readCpuSchedule(join(sample, 'trace/cpu_schedule.bin.zip'));
    expect([...perCpu.values()].reduce((sum, entries) => sum + entries.length, 0)).toBe(serial.length);
    const file = readdirSync(join(sample, 'trace')).find((name) => name.includes('.2765542.'))!;
    const reader = await openTrace(join(sample, 'trace', file), { events: true });
    const starts = new Map<bigint, number>();
    let instructions = 0;
    for await (const block of reader.blocks())
      for (let i = 0; i < block.length; i++) {
        if (block.kind[i] === AccessKind.fetch) instructions++;
        const time = (BigInt(block.hi[i]!) << 32n) | BigInt(block.lo[i]!);
        if (block.kind[i] === AccessKind.marker && block.size[i] === 2 && !starts.has(time))
          starts.set(time, instructions);
      }
    const own = serial.filter(({ thread }) => thread === 2765542);
    expect(own.length).toBeGreaterThan(0);
    for (const { timestampMicroseconds, startInstruction } of own)
      expect(starts.get(timestampMicroseconds)).toBe(startInstruction);
  });

  it.each(['timestamps', 'cpu-schedule', 'serial-schedule'] as const)(
    'the first million accesses of the sample folder come from several of its threads (%s)',
    async (interleave) => {
      const limit = 1_000_000;
      const merged = await openTrace(sample, { limit, interleave });
      for await (const block of merged.blocks()) expect(block.length).toBeGreaterThan(0);
      expect(merged.summary.dialect).toBe('folder of 21 thread files');
      expect(merged.summary.accesses).toBe(limit);
      expect(merged.summary.threads.length).toBeGreaterThan(1);
    },
  );

  it('the plugin recordings have the counts that were recorded', async () => {
    const user = await openTrace(reference('capture/plugin-user-chase-1.4M-records.bin.zst'));
    for await (const block of user.blocks()) void block;
    expect([user.summary.format, user.summary.accesses]).toEqual(['qemu-user', 1_396_735]);
    const system = await openTrace(reference('capture/plugin-system-chase-400k-records.bin.zst'), {
      columns: { physical: true },
    });
    let sameOffset = 0;
    for await (const block of system.blocks())
      for (let i = 0; i < block.length; i++) if (((block.lo[i]! ^ block.physicalLo![i]!) & 0xfff) === 0) sameOffset++;
    expect([system.summary.format, system.summary.accesses, sameOffset]).toEqual(['qemu-system', 400_000, 400_000]);
  });

  it('the lackey recording has as many lines of each kind as grep counts', async () => {
    const reader = await openTrace(reference('capture/lackey-chase-20000x400000.lk.gz'));
    for await (const block of reader.blocks()) void block;
    const { fetches, loads, stores } = reader.summary;
    expect({ fetches, loads, stores }).toEqual({ fetches: 4_069_415, loads: 909_574, stores: 492_394 });
  });
});
