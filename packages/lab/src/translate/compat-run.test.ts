import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noQuirks, renderReport } from '@strata/model/translation/compat';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { type CompatRunOptions, runCompat } from './compat-run.ts';

const folder = temporaryFolder('compat');

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** A trace in the artifact's native dialect: header, thread, process, the reads, footer; 20 bytes each. */
function nativeTrace(name: string, addresses: readonly bigint[]): string {
  const records: [type: number, size: number, address: bigint][] = [
    [31, 0, 1n],
    [28, 0, 100n],
    [30, 0, 100n],
    ...addresses.map((address): [number, number, bigint] => [0, 8, address]),
    [32, 0, 0n],
  ];
  const view = new DataView(new ArrayBuffer(20 * records.length));
  for (const [i, [type, size, address]] of records.entries()) {
    view.setUint16(20 * i, type, true);
    view.setUint16(20 * i + 2, size, true);
    view.setBigUint64(20 * i + 4, address, true);
  }
  return file(name, new Uint8Array(view.buffer));
}

const trace = nativeTrace('trace', [0x7f1234567120n, 0x7f1234567128n, 0x5000n]);
const tables = file('tables', '1\n00007f1234567000,1000,2000,3000,4000,5000\n');
const options: CompatRunOptions = { trace, tables, setup: 'native', config: { prefetcher: 'none' } };

describe('a compat run', () => {
  it('returns the document of the command contract', async () => {
    const { document, warnings, interrupted } = await runCompat(options);
    expect(document).toMatchObject({
      mode: 'compat',
      setup: 'native',
      trace: { references: 3, requests: 3, notFound: 1 },
      walks: 1,
      referencesPerWalk: 4,
      designs: { radix: { cyclesPerWalk: 800, speedup: 1 }, dmt: { cyclesPerWalk: 200, speedup: 4 } },
      tlb: { l1d: { hits: 1, misses: 2 } },
      walkCaches: { guest: { third: { hits: 0, misses: 1 } } },
      histogram: [{ labels: ['MEMORY', 'MEMORY', 'MEMORY', 'MEMORY'], range: 'RANGE_HIT', count: 1 }],
    });
    expect(warnings).toEqual(['1 of 3 accesses are to pages not in the tables.']);
    expect(interrupted).toBe(false);
  });

  it('evaluates a perf file and reads a range file', async () => {
    const kinds = ['dtlb_load_misses', 'dtlb_store_misses', 'itlb_misses'];
    const counts = kinds.flatMap((kind) => [`${kind}.walk_pending\t100`, `${kind}.walk_completed\t1`]);
    const perf = file('perf.short', [...counts, 'cycles:ukhHG\t300', ''].join('\n'));
    const ranges = file('ranges', '1\n1000,2000\n');
    const { document } = await runCompat({ ...options, perf, ranges, designs: ['dmt'] });
    expect(document.perf).toEqual({ event: 'walk_pending', walkOverhead: 0.5, walkLatencyCycles: 100 });
    expect(document.designs).toEqual({
      dmt: { cyclesPerWalk: 200, speedup: 4, referencesPerWalk: 1, applicationSpeedup: 1.6 },
    });
    expect(document.histogram[0]!.range).toBe('RANGE_MISS');
  });

  it('stops at an interrupt with what is complete, or before it began', async () => {
    const aborted = AbortSignal.abort();
    await expect(runCompat({ ...options, signal: aborted })).rejects.toThrow(/abort/i);
    const controller = new AbortController();
    const run = await runCompat({ ...options, signal: controller.signal, onProgress: () => controller.abort() });
    expect(run).toMatchObject({ interrupted: true, document: { trace: { references: 3 } } });
  });

  it.each([
    ['a truncated dump', '3\n00007f1234567000,1000,2000,3000,4000,5000\n', /line 1.*expected 3 rows, found 1/],
    ['a row cut off', '1\n00007f1234567000,1000,2000,3000,4000\n', /line 2: the line cannot be read/],
    ['a row with too much', '1\n00007f1234567000,1,2,3,4,5,6\n', /line 2: the line cannot be read/],
    ['no rows', '0\n', /./],
    ['an unclear unit', '1\n00007f1234567000,1000,1000,1000,1000,1001\n', /--unit bytes or --unit pfn/],
    ['an impossible address', '1\n00007f1234567000,fffffffffffff000,0,0,0,0\n', /./],
  ])('refuses %s with a sentence', async (name, content, message) => {
    const run = runCompat({ ...options, tables: file(`${name}.dump`, content) });
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toHaveProperty('name', 'StrataError');
  });

  it('refuses missing files, unknown designs and a set-up without its host tables', async () => {
    await expect(runCompat({ ...options, trace: '/nowhere' })).rejects.toHaveProperty('name', 'StrataError');
    await expect(runCompat({ ...options, tables: '/nowhere' })).rejects.toHaveProperty('name', 'StrataError');
    await expect(runCompat({ ...options, perf: '/nowhere' })).rejects.toThrow(/cannot read the file/);
    await expect(runCompat({ ...options, designs: ['pvdmt'] })).rejects.toThrow(/no formula for design pvdmt/);
    await expect(runCompat({ ...options, setup: 'virtualized' })).rejects.toThrow(/--host-tables/);
  });

  it('names the guest page that the host dump lacks', async () => {
    const hostTables = file('host', '1\n0000000000001000,10000,20000,30000,40000,50000\n');
    await expect(runCompat({ ...options, hostTables, setup: 'virtualized' })).rejects.toThrow(
      /guest-physical 0x2000, the level-2 table/,
    );
  });

  it('takes frame numbers as frames, and as bytes only when told', async () => {
    const pfn = file('pfn', '2\n00007f1234567000,11,12,13,14,15\n00007f1234568000,11,12,13,14,16\n');
    const asFrames = await runCompat({ ...options, tables: pfn });
    expect(asFrames.warnings[0]).toMatch(/frame numbers.*read as frames/);
    expect(asFrames.document.histogram[0]!.labels).toEqual(['MEMORY', 'MEMORY', 'MEMORY', 'MEMORY']);
    const asBytes = await runCompat({ ...options, tables: pfn, unit: 'bytes' });
    expect(asBytes.warnings[0]).toMatch(/taken for byte addresses.*mean nothing/);
    const bytes = file('bytes', '1\n00007f1234567000,11000,12000,13000,14000,15000\n');
    const wrong = await runCompat({ ...options, tables: bytes, unit: 'pfn' });
    expect(wrong.warnings[0]).toMatch(/taken for frame numbers.*mean nothing/);
  });

  it('takes columns as written, even where no table could look like that', async () => {
    const odd = file('odd', '2\n00007f1234567000,11,12,13,14,15\n0000000000005000,11,99,13,14,15\n');
    const { document } = await runCompat({ ...options, tables: odd, unit: 'bytes' });
    expect(document).toMatchObject({ walks: 2, trace: { notFound: 0 } });
  });
});

describe.skipIf(!hasReference)(`the files of the reference runs${referenceReason}`, () => {
  const input = (name: string) => reference(`translation/gups0.25.${name}`);

  it.each([
    ['nat.nextline.log', 'native', 'nextline', 'native.trace.zst'],
    ['virt.none.log', 'virtualized', 'none', 'virt.trace.zst'],
  ] as const)('give the report %s through the readers', async (log, setup, prefetcher, traceName) => {
    const { result } = await runCompat({
      trace: input(traceName),
      tables: input('byte.dump.zst'),
      hostTables: input('host.byte.dump.zst'),
      setup,
      config: { prefetcher, warmupReferences: 100_000 },
    });
    expect(renderReport(result)).toBe(readFileSync(reference(`translation/${log}`), 'utf8'));
  });

  it('give the same in frame numbers as in bytes', async () => {
    const run = (tables: string) =>
      runCompat({ ...options, trace: input('native.trace.zst'), tables: input(tables), quirks: noQuirks });
    const [bytes, frames] = [await run('byte.dump.zst'), await run('pfn.dump.zst')];
    expect(frames.document).toEqual(bytes.document);
    expect(bytes.document).toMatchObject({ quirks: [], trace: { references: 400_000, requests: 400_000 } });
  });
});
