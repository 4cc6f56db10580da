import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openTrace } from './open.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

describe('the recordings that ship with Strata', () => {
  it.each([
    ['plugin-system-chase-400k-records.bin.zst', 'qemu-system', 400_000],
    ['plugin-user-chase-1.4M-records.bin.zst', 'qemu-user', 1_396_735],
    ['lackey-chase-200k-accesses.lk.zst', 'lackey', 200_048],
  ])('%s is read without any program on PATH', async (name, format, accesses) => {
    const reader = await openTrace(fixture(name), { decompressors: 'builtin' });
    for await (const block of reader.blocks()) expect(block.length).toBeGreaterThan(0);
    expect([reader.summary.format, reader.summary.accesses, reader.summary.warnings]).toEqual([format, accesses, []]);
  });
});
