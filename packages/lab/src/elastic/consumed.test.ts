import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'strata-consumed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function strata(line: string): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' };
  const take = (stream: 'out' | 'err') => (text: unknown) => {
    written[stream] += String(text);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(take('out'));
  vi.spyOn(process.stderr, 'write').mockImplementation(take('err'));
  const code = await runCommandLine(line.split(' '));
  vi.restoreAllMocks();
  return { code, ...written };
}

async function document(line: string) {
  const { code, out, err } = await strata(`${line} --json`);
  expect(code, err).toBe(0);
  return JSON.parse(out);
}

async function eventsOf(technique: string): Promise<string> {
  const file = join(folder, `${technique.replace(' ', '')}.csv`);
  const { out } = await strata(`elastic events --technique ${technique} --vm-mib 128 --mib 8 --csv`);
  writeFileSync(file, out);
  return file;
}

const walks =
  'translate run --trace gen:gups,size=32MiB,accesses=3e5 --setup virtualized --page thp --set spaces.process.memoryGiB=0.125 --designs radix,asap';
const dma = 'io run --trace gen:iperf3,tenants=1,packets=3000 --queue 32 --gbps 40';

describe('what resizing does to translation, in the parts that simulate it', () => {
  it('reaches the walks of every design: a balloon of single pages costs most, frames of 2 MiB little', async () => {
    const alone = await document(walks);
    const of = async (technique: string) =>
      document(`${walks} --memory-events ${await eventsOf(technique)} --memory-events-pace 400`);
    const [small, mem, hyperalloc] = [await of('virtio-balloon'), await of('virtio-mem'), await of('hyperalloc')];
    expect(alone.resized).toBeUndefined();
    for (const { resized, walks: after, tlb } of [small, mem, hyperalloc]) {
      expect(resized.unmapped).toBeGreaterThan(0);
      expect(tlb.shootdowns).toBeGreaterThanOrEqual(resized.unmapped);
      expect(after).toBeGreaterThan(alone.walks);
    }
    expect(small.resized.splits).toBeGreaterThan(0);
    expect([mem, hyperalloc].map(({ resized }) => [resized.unmapped, resized.splits])).toEqual([
      [4, 0],
      [4, 0],
    ]);
    expect(small.walks).toBeGreaterThan(5 * mem.walks);
    expect(Object.keys(small.designs)).toEqual(['radix', 'asap']);
  });

  it('reaches the invalidation queue of the IOMMU where a device is passed through', async () => {
    const alone = await document(dma);
    for (const technique of ['virtio-mem --vfio', 'hyperalloc --vfio']) {
      const resized = await document(`${dma} --memory-events ${await eventsOf(technique)}`);
      expect(resized.invalidations - alone.invalidations).toBe(4);
      expect(resized.translations).toBe(alone.translations);
    }
  });

  it.each([
    [walks.replace('virtualized', 'native'), 'virtio-mem', /only a modelled VM can be resized/],
    [`${walks} --memory-events-pace 0`, 'virtio-mem', /memoryEventsPace/],
    [dma, 'virtio-balloon', /no event of these takes anything from a device.*--vfio/],
    [`${dma} --mode compat`, 'virtio-mem --vfio', /know no resizing/],
  ])('is refused where it has no meaning: %s', async (line, technique, message) => {
    const { code, out, err } = await strata(`${line} --memory-events ${await eventsOf(technique)}`);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });
});
