import { readFileSync } from 'node:fs';
import { AccessKind, createBlock, StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createNativeWriter } from '../native/index.ts';
import { openTrace } from '../open.ts';
import { collect, type PlainAccess, readAll, records, temporaryFolder } from '../reading.case.ts';
import { formats } from './registry.ts';

const folder = temporaryFolder();
const { load, store, fetch, prefetch } = AccessKind;

interface Sample {
  readonly format: string;
  readonly bytes: Uint8Array;
  /** `kind address size` of each access. */
  readonly accesses: readonly (readonly [number, bigint, number])[];
  /** Whether the format says where it ends, so that every cut is noticed. */
  readonly hasEnd: boolean;
}

const text = (content: string) => new TextEncoder().encode(content);

function champsimRecord(bytes: number, ip: bigint, stores: bigint[], loads: bigint[]): Uint8Array {
  const record = new Uint8Array(bytes);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, ip, true);
  record[12] = 6;
  const storesAt = bytes === 64 ? 16 : 24;
  const loadsAt = bytes === 64 ? 32 : 56;
  for (const [i, address] of stores.entries()) view.setBigUint64(storesAt + i * 8, address, true);
  for (const [i, address] of loads.entries()) view.setBigUint64(loadsAt + i * 8, address, true);
  if (bytes === 96) view.setUint16(88, 3, true);
  return record;
}

function champsimSample(format: string, bytes: number): Sample {
  const parts = [0, 1, 2].map((i) =>
    champsimRecord(bytes, 0x401000n + BigInt(i) * 4n, [0x7fff0000n + BigInt(i) * 8n], [0x10000n, 0x20000n]),
  );
  return {
    format,
    bytes: new Uint8Array(Buffer.concat(parts)),
    accesses: [0n, 1n, 2n].flatMap((i) => [
      [fetch, 0x401000n + i * 4n, 0] as const,
      [load, 0x10000n, 0] as const,
      [load, 0x20000n, 0] as const,
      [store, 0x7fff0000n + i * 8n, 0] as const,
    ]),
    hasEnd: false,
  };
}

async function nativeSample(): Promise<Sample> {
  const block = createBlock(2);
  block.lo.set([0x1000, 0x7fff0000]);
  block.kind.set([load, store]);
  block.size.set([8, 4]);
  block.length = 2;
  const path = folder.path('written.strata');
  const writer = await createNativeWriter(path);
  await writer.write(block);
  const source = { format: 'test', dialect: 'rows', compression: [] };
  await writer.finish(source, { threads: [0], processes: [0], dropped: new Map(), warnings: [] });
  const accesses = [[load, 0x1000n, 8] as const, [store, 0x7fff0000n, 4] as const];
  return { format: 'strata', bytes: readFileSync(path), accesses, hasEnd: true };
}

/** Stock record types by the first two columns of the specification's table; the artifact's dialects shift all but READ and WRITE. */
function drmemtraceSample(format: string, shift: number, recordBytes: number): Sample {
  const type = (stock: number) => (stock < 2 ? stock : stock + shift);
  return {
    format,
    bytes: records(
      [
        [type(25), 0, 1],
        [type(22), 4, 100],
        [type(24), 4, 50],
        [type(28), 2, 123],
        [type(10), 4, 0x401000],
        [0, 8, 0x7f0000001000n],
        [type(17), 3, 0x020305],
        [1, 4, 0xffff880000000010n],
        [type(10), 0, 0x402000],
        [type(3), 1, 0x9000],
        [type(29), 2, 0x402000],
        [type(23), 4, 100],
        [type(26), 0, 0],
      ],
      recordBytes,
    ),
    accesses: [
      [fetch, 0x401000n, 4],
      [load, 0x7f0000001000n, 8],
      [fetch, 0x401004n, 5],
      [fetch, 0x401009n, 3],
      [fetch, 0x40100cn, 2],
      [store, 0xffff880000000010n, 4],
      [prefetch, 0x9000n, 1],
    ],
    hasEnd: true,
  };
}

function pluginSample(format: string, isSystem: boolean): Sample {
  const list: [bigint, bigint][] = [
    [0x0003004002805838n, 0x29ef838n],
    [0x0013004002805830n, 0x29ef830n],
    [0x0002004002805828n, 0x29ef828n],
    [0x0013004002804820n, 0x1000820n],
    [0x00a3004002804818n, 0n],
  ];
  const words = list.flatMap(([record, physical]) => (isSystem ? [record, physical] : [record]));
  words[words.length - (isSystem ? 2 : 1)] = 0x0020004002804818n;
  return {
    format,
    bytes: new Uint8Array(new BigUint64Array(words).buffer),
    accesses: [
      [load, 0x4002805838n, 8],
      [store, 0x4002805830n, 8],
      [load, 0x4002805828n, 4],
      [store, 0x4002804820n, 8],
      [fetch, 0x4002804818n, 0],
    ],
    hasEnd: false,
  };
}

const samples: Sample[] = [
  drmemtraceSample('drmemtrace', 0, 12),
  drmemtraceSample('dmt-native', 6, 20),
  drmemtraceSample('dmt-virt', 30, 20),
  champsimSample('champsim', 64),
  champsimSample('champsim-cloudsuite', 96),
  pluginSample('qemu-user', false),
  pluginSample('qemu-system', true),
  {
    format: 'lackey',
    bytes: text(
      '==3346== Lackey, an example Valgrind tool\n==3346== \nI  0401ab70,3\n S 1fff000758,8\n M 04aac860,4\n L 04aac850,16\n==3346== Exit code:       0\n',
    ),
    accesses: [
      [fetch, 0x0401ab70n, 3],
      [store, 0x1fff000758n, 8],
      [load, 0x04aac860n, 4],
      [store, 0x04aac860n, 4],
      [load, 0x04aac850n, 16],
    ],
    hasEnd: true,
  },
  {
    format: 'din',
    bytes: text('0 7fff5a8c\n1 0x1000\n2 430d70\n\n4 0\n3 0\n0 ffffffffffffffff\n'),
    accesses: [
      [load, 0x7fff5a8cn, 0],
      [store, 0x1000n, 0],
      [fetch, 0x430d70n, 0],
      [load, 0xffffffffffffffffn, 0],
    ],
    hasEnd: false,
  },
  {
    format: 'din',
    bytes: text('r 7fff5a8c 8\nw 1000 10\ni 430d70 a\nv 1000 40\n'),
    accesses: [
      [load, 0x7fff5a8cn, 8],
      [store, 0x1000n, 16],
      [fetch, 0x430d70n, 10],
    ],
    hasEnd: false,
  },
  {
    format: 'pinatrace',
    bytes: text('0x7f3c11: R 0x7ffd52b8\n0x7f3c15: W 0x7ffd52c0\n#eof\n'),
    accesses: [
      [load, 0x7ffd52b8n, 0],
      [store, 0x7ffd52c0n, 0],
    ],
    hasEnd: true,
  },
  {
    format: 'ramulator-loadstore',
    bytes: text('LD 0x12345680\nST 18446744073709551615\nLD 4096\n'),
    accesses: [
      [load, 0x12345680n, 0],
      [store, 0xffffffffffffffffn, 0],
      [load, 4096n, 0],
    ],
    hasEnd: false,
  },
  {
    format: 'ramulator-simpleo3',
    bytes: text('3 20734016\n1 20846400 20734016\n16 20734208\n'),
    accesses: [
      [load, 20734016n, 0],
      [load, 20846400n, 0],
      [store, 20734016n, 0],
      [load, 20734208n, 0],
    ],
    hasEnd: false,
  },
  {
    format: 'dram',
    bytes: text('0x12345680 R\n0x4cbd56c0 WRITE 120\n0x12345680 READ 130\r\n'),
    accesses: [
      [load, 0x12345680n, 0],
      [store, 0x4cbd56c0n, 0],
      [load, 0x12345680n, 0],
    ],
    hasEnd: false,
  },
  {
    format: 'csv',
    bytes: text('time,addr,op,size\n1,0x7fff0000,read,8\n2,4096,W,4\n3,"0x10",fetch,1\n'),
    accesses: [
      [load, 0x7fff0000n, 8],
      [store, 4096n, 4],
      [fetch, 0x10n, 1],
    ],
    hasEnd: false,
  },
  {
    format: 'csv',
    bytes: text('Thread ID\tAddress\tType\n5\t7fff0000\tST\n6\t1000\tLD\n'),
    accesses: [
      [store, 0x7fff0000n, 0],
      [load, 0x1000n, 0],
    ],
    hasEnd: false,
  },
  await nativeSample(),
];

const brief = ({ kind, address, size }: PlainAccess) => [kind, address, size] as const;

describe.each(samples.map((sample, index) => ({ ...sample, title: `${sample.format} (sample ${index})`, index })))(
  '$title',
  ({ format, bytes, accesses, hasEnd, index }) => {
    const name = `sample-${index}`;

    it('is recognised from its content and gives every access exactly', async () => {
      const back = await readAll(folder.file(name, bytes));
      expect(back.summary.format).toBe(format);
      expect(back.accesses.map(brief)).toEqual(accesses);
      expect(back.summary.accesses).toBe(accesses.length);
      expect(back.summary.loads).toBe(accesses.filter(([kind]) => kind === load).length);
      expect(back.summary.stores).toBe(accesses.filter(([kind]) => kind === store).length);
      expect(back.summary.fetches).toBe(accesses.filter(([kind]) => kind === fetch).length);
    });

    it('cut at any byte is refused in words, or gives the accesses before the cut', async () => {
      for (let length = 1; length < bytes.length; length++) {
        const path = folder.file(`cut-${name}`, bytes.subarray(0, length));
        const back = await readAll(path, { format }).catch((error: unknown) => error);
        if (back instanceof Error) {
          expect(back).toBeInstanceOf(StrataError);
          expect(back.message).not.toMatch(/undefined|NaN/);
        } else {
          // A text cut in its last line may still read as a shorter number, and says so; a missing line feed alone loses nothing.
          const { accesses: found, summary } = back as Awaited<ReturnType<typeof readAll>>;
          const isWholeButLineFeed = length === bytes.length - 1;
          if (hasEnd) expect(isWholeButLineFeed, `${length} of ${bytes.length}`).toBe(true);
          const whole = summary.warnings.some((warning) => warning.includes('no line feed'))
            ? found.slice(0, -1)
            : found;
          expect(accesses.slice(0, whole.length)).toEqual(whole.map(brief));
        }
      }
    });

    it('cut at any byte is read as far as it goes when that is allowed, with a warning where the format has an end', async () => {
      for (let length = bytes.length - 1; length > bytes.length / 2; length -= 3) {
        const path = folder.file(`allowed-${name}`, bytes.subarray(0, length));
        const { summary } = await readAll(path, { format, allowTruncated: true });
        if (hasEnd) expect(summary.warnings.join()).toMatch(/truncated input|no line feed/);
      }
    });

    it('with any bytes changed is read or refused in words, never anything else', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
          fc.boolean(),
          async (changes, named) => {
            const changed = bytes.slice();
            for (const [at, value] of changes) changed[at] = value;
            const path = folder.file(`changed-${name}`, changed);
            const error = await readAll(path, { events: true, ...(named ? { format } : {}) }).catch((e: unknown) => e);
            if (error instanceof Error) expect(error).toBeInstanceOf(StrataError);
          },
        ),
        { numRuns: 40 },
      );
    });
  },
);

describe('every format', () => {
  it.each([...formats].map(({ name }) => name))(
    '%s reads any bytes at all, or refuses them in words',
    async (format) => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
          const error = await readAll(folder.file('any', bytes), { format }).catch((e: unknown) => e);
          if (error instanceof Error) expect(error).toBeInstanceOf(StrataError);
        }),
        { numRuns: 40 },
      );
    },
  );

  it('has a sample here, except the one that is recognised to be refused', () => {
    const covered = new Set(samples.map(({ format }) => format));
    expect(formats.names.filter((name) => !covered.has(name))).toEqual(['ramulator-readwrite']);
  });
});

describe('skip and limit', () => {
  it('deliver the accesses between, whatever the events around them', async () => {
    const path = folder.file('window', samples[0]!.bytes);
    const all = (await readAll(path)).accesses;
    await fc.assert(
      fc.asyncProperty(fc.nat(9), fc.nat(9), fc.boolean(), async (skip, limit, events) => {
        const part = await readAll(path, { skip, limit, events });
        const kept = part.accesses.filter(({ kind }) => kind < AccessKind.noFetch);
        expect(kept.map(brief)).toEqual(all.slice(skip, skip + limit).map(brief));
        expect(part.summary.accesses).toBe(kept.length);
      }),
    );
  });

  it('hold across blocks', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `0 ${(0xa0000 + i * 64).toString(16)}\n`).join('');
    const path = folder.file('long.din', lines);
    const { accesses } = await readAll(path, { skip: 20_000, limit: 17_000 });
    expect(accesses.length).toBe(17_000);
    expect(accesses[0]!.address).toBe(BigInt(0xa0000 + 20_000 * 64));
    expect(accesses.at(-1)!.address).toBe(BigInt(0xa0000 + 36_999 * 64));
  });
});

describe('opening', () => {
  it('refuses what fits no format and shows how it begins', async () => {
    await expect(openTrace(folder.file('hello', 'hello world\n'))).rejects.toThrow(
      /hello: the content fits no known trace format; found a file that begins with "hello world"\. Name the format/,
    );
  });

  it('refuses what fits two formats unless it is named, or the file name settles it', async () => {
    const lines = '0 1000\n1 2000\n';
    await expect(openTrace(folder.file('either', lines))).rejects.toMatchObject({ code: 'trace.ambiguous' });
    expect((await readAll(folder.file('either', lines), { format: 'din' })).accesses[0]!.address).toBe(0x1000n);
    expect((await readAll(folder.file('either', lines), { format: 'ramulator-simpleo3' })).accesses[0]!.address).toBe(
      1000n,
    );
    expect((await readAll(folder.file('either.din', lines))).accesses[0]!.address).toBe(0x1000n);
  });

  it('offers the near name for an unknown format', async () => {
    await expect(openTrace(folder.file('x', '0 1\n'), { format: 'drmemtrac' })).rejects.toThrow(
      /Did you mean drmemtrace/,
    );
  });

  it('refuses DRAM coordinates with a hint', async () => {
    await expect(openTrace(folder.file('rw', 'R 0,0,1,2,3\nW 0,0,1,2,4\n'))).rejects.toThrow(/holds DRAM coordinates/);
  });

  it('names the line that cannot be read', async () => {
    const reader = await openTrace(folder.file('bad.din', `${'0 12ab\n'.repeat(200_000)}0 xyz\n`));
    await expect(collect(reader)).rejects.toThrow(
      /bad\.din, line 200001: this line cannot be read; expected .*, found "0 xyz"/,
    );
  });

  it('refuses a line without end', async () => {
    const reader = await openTrace(folder.file('endless', 'x'.repeat(3_000_000)), { format: 'din' });
    await expect(collect(reader)).rejects.toThrow(/longer than any/);
  });
});

describe('CSV', () => {
  it('takes its columns from the user, in any order, with a number base where asked', async () => {
    const path = folder.file('headless', 'R 10 99\nW 20 98\n');
    const { accesses } = await readAll(path, { fields: 'kind,addr:hex,-' });
    expect(accesses.map(brief)).toEqual([
      [load, 0x10n, 0],
      [store, 0x20n, 0],
    ]);
    await expect(readAll(path, { fields: 'kind,addr' })).rejects.toThrow(StrataError);
    await expect(readAll(path, { fields: 'kind,adr,-' })).rejects.toThrow(/unknown column "adr".*Did you mean addr/);
    await expect(readAll(path, { fields: 'kind,size,-' })).rejects.toThrow(/no column holds the address/);
    await expect(readAll(path, { format: 'csv' })).rejects.toThrow(/does not name its columns/);
  });

  it('delivers the columns that the file has, no others', async () => {
    const columns = { pc: true, physical: true };
    const [without] = (await readAll(folder.file('p.csv', 'addr,kind\n0x1000,R\n'), { columns })).accesses;
    expect(Object.keys(without!)).toEqual(['address', 'kind', 'size', 'thread', 'process']);
    const [given] = (await readAll(folder.file('q.csv', '0x1000,0x42000\n'), { columns, fields: 'addr,paddr' }))
      .accesses;
    expect(given).toMatchObject({ address: 0x1000n, physical: 0x42000n });
    expect(given).not.toHaveProperty('pc');
  });

  it('says so when nothing tells loads from stores', async () => {
    const { summary } = await readAll(folder.file('k.csv', 'addr\n0x1000\n'));
    expect(summary.warnings).toEqual(['no column tells loads from stores: all accesses count as loads']);
  });

  it('refuses a decimal column that turns out hexadecimal instead of guessing', async () => {
    const path = folder.file('late.csv', `addr,kind\n${'100,R\n'.repeat(60_000)}ff,R\n`);
    await expect(readAll(path)).rejects.toThrow(/line 60002: .*address \(dec\).*found "ff,R"/);
  });
});
