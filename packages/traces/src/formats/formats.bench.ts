// Rates of the readers, decompression aside, against a yardstick measured in the same run: summing the words of the same bytes.
// Per second of processor time, so that a busy machine does not count.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTrace } from '../open.ts';

const isSmoke = process.env.STRATA_BENCH_SMOKE === '1';
const megabytes = isSmoke ? 8 : 200;
const folder = mkdtempSync(join(tmpdir(), 'strata-bench-traces-'));

function drmemtrace(bytes: number): Uint8Array {
  const count = Math.floor(bytes / 12);
  const words = new Uint32Array(count * 3);
  words.set([25, 6, 0, 22 | (4 << 16), 7, 0]);
  for (let i = 2; i < count - 1; i++) {
    // Two instructions, a load, a store: the mix of the public samples.
    const type = [10, 0, 10, 1][i & 3]!;
    words.set([type | (8 << 16), (Math.imul(i, 2654435761) >>> 4) * 8, 0x7f00], i * 3);
  }
  words.set([26, 0, 0], (count - 1) * 3);
  return new Uint8Array(words.buffer);
}

function repeated(lines: string, bytes: number): Uint8Array {
  return Buffer.from(lines.repeat(Math.ceil(bytes / lines.length)));
}

function plugin(bytes: number): Uint8Array {
  const words = new Uint32Array(Math.floor(bytes / 8) * 2);
  for (let i = 0; i < words.length; i += 2) words.set([Math.imul(i, 40503) >>> 0, 0x00030040 | ((i & 2) << 19)], i);
  return new Uint8Array(words.buffer);
}

const cases: readonly (readonly [string, (bytes: number) => Uint8Array])[] = [
  ['drmemtrace', drmemtrace],
  ['qemu-user', plugin],
  ['lackey', (bytes) => repeated('I  0401ab70,3\nI  0401ab73,5\n S 1fff000758,8\n L 04aac850,8\n', bytes)],
  ['din', (bytes) => repeated('0 7fff5a8c\n1 7fff5a90\n2 430d70\n', bytes)],
  ['csv', (bytes) => repeated('0x7fff5a8c,R,8\n0x7fff5a90,W,8\n', bytes)],
];

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function yardstickSeconds(content: Uint8Array): number {
  const words = new Uint32Array(content.buffer, 0, content.length >> 2);
  const start = cpuSeconds();
  let sum = 0;
  for (let i = 0; i < words.length; i++) sum = (sum + words[i]!) | 0;
  if (sum === 0.5) throw new Error('never: keeps the loop');
  return cpuSeconds() - start;
}

try {
  for (const [format, make] of cases) {
    const content = new Uint8Array(make(megabytes * 1e6));
    const path = join(folder, format);
    writeFileSync(path, content);
    yardstickSeconds(content);
    const yardstick = yardstickSeconds(content);
    let best = Infinity;
    let accesses = 0;
    for (let run = 0; run < (isSmoke ? 1 : 3); run++) {
      const start = cpuSeconds();
      const reader = await openTrace(path, { format, ...(format === 'csv' ? { fields: 'addr,kind,size' } : {}) });
      for await (const block of reader.blocks()) if (block.length < 0) throw new Error('never');
      best = Math.min(best, cpuSeconds() - start);
      accesses = reader.summary.accesses;
    }
    const rate = (accesses / best / 1e6).toFixed(1);
    console.log(
      `${format.padEnd(12)} ${rate.padStart(6)} M accesses/s  ${(megabytes / best).toFixed(0).padStart(5)} MB/s  ` +
        `${(best / yardstick).toFixed(1)} x the time of summing the words`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
