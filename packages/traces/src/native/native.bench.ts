import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type AccessBlock, createBlock } from '@strata/model/machine';
import { openTrace } from '../open.ts';
import { createNativeWriter, openNative } from './index.ts';

// Decoding rate and bytes per access of the native format, beside two yardsticks over the same accesses: inflating the plain arrays
// (deflate level 1 of address, kind, size, thread), which is the cheapest thing one could store, and copying them in memory.
const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const accesses = smoke ? 500_000 : 8_000_000;
const rounds = smoke ? 2 : 5;
const workloads = [
  'gen:sequential,size=256MiB',
  'gen:chase,size=64MiB,loads=1,stores=1',
  'gen:btree,size=1GiB,exponent=0.99,instructions=true',
  'gen:gups,size=1GiB',
  // The recordings kept here are what the promise is about.
  ...['plugin-system-chase-400k-records.bin.zst', 'plugin-user-chase-1.4M-records.bin.zst']
    .map((name) => join('packages/traces/fixtures', name))
    .filter((path) => existsSync(path)),
];

async function collect(path: string): Promise<AccessBlock> {
  const text = path.startsWith('gen:') ? `${path},accesses=${accesses}` : path;
  const reader = await openTrace(text, { limit: accesses, columns: { physical: true } });
  const all = createBlock(accesses, { physical: true });
  let hasPhysical = false;
  for await (const block of reader.blocks()) {
    const at = all.length;
    for (const column of ['lo', 'hi', 'kind', 'size', 'thread', 'process'] as const)
      all[column].set(block[column].subarray(0, block.length), at);
    if (block.physicalLo && block.physicalHi) {
      hasPhysical = true;
      all.physicalLo?.set(block.physicalLo.subarray(0, block.length), at);
      all.physicalHi?.set(block.physicalHi.subarray(0, block.length), at);
    }
    all.length += block.length;
  }
  await reader.close();
  if (hasPhysical) return all;
  const { physicalLo: _, physicalHi: __, ...plain } = all;
  return plain;
}

function plainBytes({ length, lo, hi, kind, size, thread }: AccessBlock): Uint8Array {
  const columns = [lo, hi, kind, size, thread].map((column) => {
    const used = column.subarray(0, length);
    return new Uint8Array(used.buffer, used.byteOffset, used.byteLength);
  });
  return Buffer.concat(columns);
}

/** Seconds of the fastest round. */
async function fastest(work: () => unknown): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await work();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
}

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'));
try {
  for (const workload of workloads) {
    const all = await collect(workload);
    const path = join(folder, 'trace.strata');
    const rate = (seconds: number) => `${(all.length / seconds / 1e6).toFixed(1)} M/s`;
    const write = await fastest(async () => {
      const writer = await createNativeWriter(path);
      await writer.write(all);
      await writer.finish(
        { format: 'bench', dialect: '', compression: [] },
        { threads: [], processes: [], dropped: new Map(), warnings: [] },
      );
    });
    const read = await fastest(async () => {
      const reader = await openNative(path, { columns: { physical: true } });
      for await (const _ of reader.blocks());
      await reader.close();
    });
    const plain = plainBytes(all);
    const packed = deflateRawSync(plain, { level: 1 });
    const inflate = await fastest(() => inflateRawSync(packed, { chunkSize: plain.length }));
    const target = new Uint8Array(plain.length);
    const copy = await fastest(() => target.set(plain));
    const perAccess = (bytes: number) => (bytes / all.length).toFixed(2);
    console.log(
      `${workload}: read ${rate(read)}, write ${rate(write)}, ${perAccess(statSync(path).size)} bytes per access; ` +
        `${(inflate / read).toFixed(2)}x the rate of inflating plain columns (${rate(inflate)}, ${perAccess(packed.length)} bytes), ` +
        `${(copy / read).toFixed(3)}x that of copying them (${rate(copy)})`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
