import { describe, expect, it } from 'vitest';
import { createTranslationBlock } from '../compat/records.ts';
import { resolveScheme } from '../schemes/registry.ts';
import { resolveIoMachine } from './config.ts';
import { createIoSimulation } from './simulate.ts';

interface Packet {
  readonly domain?: number;
  readonly vpn: number;
  readonly level?: number;
}

/** One packet after the other; the three DMAs of each go to one page. Bytes cost next to nothing, headers included. */
function run(packets: readonly Packet[], machine: Record<string, unknown> = {}) {
  const accessed: { readonly vpn: number; readonly frame: number; readonly time: number }[] = [];
  const simulation = createIoSimulation({
    machine: resolveIoMachine({ arrival: 'backlog', gbps: 1e6, pcieGbps: 1e6, memoryGbps: 1e6, ...machine }),
    ...resolveScheme('persistent-pools'),
    observer: { accessed: (_, vpn, frame, time) => accessed.push({ vpn, frame, time }) },
  });
  const block = createTranslationBlock(packets.length * 3);
  for (const { domain = 0, vpn, level = 1 } of packets)
    for (let part = 0; part < 3; part++) {
      const at = block.length++;
      block.sid[at] = domain * 8;
      block.did[at] = domain;
      block.iovaLo[at] = (vpn * 4096) >>> 0;
      block.iovaHi[at] = Math.floor(vpn / 2 ** 20);
      block.level[at] = level;
    }
  simulation.feed(block);
  return { result: simulation.finish(), accessed, simulation };
}

describe('page requests', () => {
  const faults = 'page-request';

  // Reads: root and context entry, the empty root of the tables, and four of the page that is there then.
  it.each([
    // Request, completion, page request, response, request, completion, data.
    { ats: true, crossings: 7, deviceTlbNs: 2 },
    // Data, page request, response.
    { ats: false, crossings: 3, deviceTlbNs: 0 },
  ])('cost two walks, the software and $crossings crossings (ATS: $ats)', ({ ats, crossings, deviceTlbNs }) => {
    for (const pageRequestNs of [0, 10_000]) {
      const { accessed } = run([{ vpn: 9 }], { ats, faults, pageRequestNs });
      const expected = deviceTlbNs + crossings * 450 + 2 * 5 + 7 * 50 + pageRequestNs;
      expect(accessed).toHaveLength(3);
      expect(Math.abs(accessed[0]!.time - expected)).toBeLessThan(0.5);
      expect(accessed.every(({ frame }) => frame > 0)).toBe(true);
    }
  });

  it('are one message up and one down each, beside the request that is made again', () => {
    const [pinned, asked] = [run([{ vpn: 9 }]).result, run([{ vpn: 9 }], { faults }).result];
    expect(asked.pageRequests).toBe(3);
    expect(asked.pcieBytes.up - pinned.pcieBytes.up).toBe(3 * 2 * 24);
    expect(asked.pcieBytes.down - pinned.pcieBytes.down).toBe(3 * 2 * 24);
  });

  it('map a page of the size that was asked for: its other pages are not asked for', () => {
    const asked = (level: number) =>
      run(
        [0, 1, 2, 3].map((page) => ({ vpn: 512 + page, level })),
        { faults },
      ).result.pageRequests;
    expect(asked(2)).toBe(3);
    expect(asked(1)).toBe(12);
  });

  it('are answered, however many there are', () => {
    const { result } = run(
      Array.from({ length: 500 }, (_, at) => ({ vpn: 9 + at })),
      { faults },
    );
    expect(result).toMatchObject({ pageRequests: 1500, refusedAccesses: 0, packetsDelivered: 500 });
  });
});

describe('prefetching', () => {
  it('leaves alone what the device TLB has, and does not count as demand there', () => {
    const turn = [0, 1].flatMap((domain) => [1, 2, 3].map((vpn) => ({ domain, vpn })));
    const packets = Array.from({ length: 40 }, () => turn).flat();
    const { result } = run(packets, { prefetch: { entries: 2, history: 3, distance: 9 } });
    // Every page has been asked for before the first prediction is made.
    expect(result.prefetch.made).toBeGreaterThan(500);
    expect(result.prefetch.requests).toBe(0);
    expect(result.caches.DEVTLB.hit + result.caches.DEVTLB.miss).toBe(result.translations);
  });
});

describe('an entry of the IOTLB in two dimensions', () => {
  const machine = { ats: false, inOrder: true, dimensions: '2' };
  const pages = [0, 1, 2, 3].map((page) => 512 + page);

  it.each([
    { level: 1, hostPages: '4k', walks: 4 },
    { level: 2, hostPages: '4k', walks: 4 },
    { level: 1, hostPages: '2m', walks: 4 },
    { level: 2, hostPages: '2m', walks: 1 },
  ])('covers the smaller page: level $level of the guest on $hostPages', ({ level, hostPages, walks }) => {
    const packets = [...pages, ...pages].map((vpn) => ({ vpn, level }));
    const { result, accessed, simulation } = run(packets, { ...machine, hostPages });
    expect(result.walks).toBe(walks);
    for (const { vpn, frame } of accessed) expect(frame).toBe(simulation.frameOf(0, vpn));
    expect(new Set(accessed.map(({ frame }) => frame)).size).toBe(pages.length);
  });

  it('is found with one read where the caches know the table and the nested cache its page', () => {
    const iotlb = { entries: 0, ways: 0 };
    const [once, twice] = [1, 2].map((times) =>
      run(
        Array.from({ length: times }, () => ({ vpn: 512 })),
        { ...machine, iotlb },
      ),
    );
    // Each of a packet's DMAs is a walk of its own without an IOTLB, those in order behind one another.
    expect(twice!.result.tableReads - once!.result.tableReads).toBe(3);
  });
});
