import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openTrace } from './open.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

describe('the recordings that ship with Strata', () => {
  it.each([
    ['chase-system.plugin.zst', 'qemu-system', 400_000],
    ['chase-user.plugin.zst', 'qemu-user', 1_396_735],
    ['chase.lackey.zst', 'lackey', 200_048],
  ])('%s is read without any program on PATH', async (name, format, accesses) => {
    const reader = await openTrace(fixture(name), { decompressors: 'builtin' });
    for await (const block of reader.blocks()) expect(block.length).toBeGreaterThan(0);
    expect([reader.summary.format, reader.summary.accesses, reader.summary.warnings]).toEqual([format, accesses, []]);
  });
});
