/**
 * A test per quirk of the original's performance model (specs/io.md section 6, Q1 to Q13): what it is in `compat`, and what `correct` has
 * instead. Those of traces, configurations and the command line (Q14 to Q28) are in packages/lab/src/io/quirks.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { configurationPresets } from './compat/presets.ts';
import { createTranslationBlock, type TranslationBlock } from './compat/records.ts';
import {
  type CompatIoConfig,
  CompatProbe,
  createCompatSimulation,
  createWatchedCompatSimulation,
} from './compat/simulate.ts';
import { resolveIoMachine } from './correct/config.ts';
import { createIoSimulation } from './correct/simulate.ts';
import { resolveScheme } from './schemes/registry.ts';

interface Access {
  readonly tenant: number;
  readonly page: number;
  /** 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB. */
  readonly level?: 1 | 2 | 3;
}

const pageBytes = 4096;
const pagesPer2MiB = 512;
const pagesPer1GiB = 512 ** 2;
const maskLo = { 1: 0xfffff000, 2: 0xffe00000, 3: 0xc0000000 } as const;

function blockOf(accesses: readonly Access[]): TranslationBlock {
  const block = createTranslationBlock(accesses.length);
  block.length = accesses.length;
  for (const [at, { tenant, page, level = 1 }] of accesses.entries()) {
    block.sid[at] = (2 + tenant) << 3;
    block.did[at] = tenant;
    block.iovaLo[at] = (page * pageBytes) >>> 0;
    block.iovaHi[at] = Math.floor((page * pageBytes) / 2 ** 32);
    block.maskLo[at] = maskLo[level];
    block.maskHi[at] = 0xffffffff;
    block.level[at] = level;
    block.nextAccess[at] = Infinity;
  }
  return block;
}

const base: CompatIoConfig = {
  ...configurationPresets.get('base')!,
  queueEntries: 1,
  linkGbps: 200,
  replacement: 'lru',
  inOrder: false,
  selective: false,
};

function compat(accesses: readonly Access[], change: Partial<CompatIoConfig> = {}) {
  const simulation = createCompatSimulation({ ...base, ...change });
  simulation.feed(blockOf(accesses));
  return simulation.finish();
}

function watched(accesses: readonly Access[], position: number, change: Partial<CompatIoConfig> = {}) {
  const probe = new CompatProbe(position);
  const simulation = createWatchedCompatSimulation({ ...base, ...change }, probe);
  simulation.feed(blockOf(accesses));
  simulation.finish();
  return probe;
}

function correct(accesses: readonly Access[], machine: Record<string, unknown> = {}) {
  const simulation = createIoSimulation({
    machine: resolveIoMachine({ arrival: 'backlog', ...machine }),
    ...resolveScheme('persistent-pools'),
  });
  simulation.feed(blockOf(accesses));
  return simulation.finish();
}

/** The three translations of a packet. */
const packet = (...pages: readonly [Access, Access, Access] | readonly [Access]): readonly Access[] =>
  pages.length === 3 ? pages : [pages[0], pages[0], pages[0]];
const times = (count: number, packetOf: (index: number) => readonly Access[]): Access[] =>
  Array.from({ length: count }, (_, index) => packetOf(index)).flat();
const waited = ({ steps }: CompatProbe) =>
  steps.filter(({ what }) => what === 'queue').reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);

describe('quirks of the performance model', () => {
  it('Q1: a queue lets one event go per nanosecond, so that the third of a packet waits for two', () => {
    const trace = packet({ tenant: 0, page: 1 }, { tenant: 0, page: 2 }, { tenant: 0, page: 3 });
    expect([0, 1, 2].map((position) => waited(watched(trace, position)))).toEqual([0, 1, 2]);
  });

  it("Q2: equal times leave in the heap's order, not in that of their coming", () => {
    // Three of one time, the last of which moves to the root when the first leaves (specs/io.md 2.4).
    const trace = packet({ tenant: 0, page: 1 }, { tenant: 0, page: 2 }, { tenant: 0, page: 3 });
    const order = [0, 1, 2].sort((a, b) => waited(watched(trace, a)) - waited(watched(trace, b)));
    const six = [...trace, ...packet({ tenant: 0, page: 4 }, { tenant: 0, page: 5 }, { tenant: 0, page: 6 })];
    // Out of the same nanosecond with others before them: two packets are due at once when the link is fast enough.
    const together = { queueEntries: 6, linkGbps: 12_336 };
    const waits = six.map((_, position) => waited(watched(six, position, together)));
    expect(order).toEqual([0, 1, 2]);
    expect([...waits].sort((a, b) => a - b)).not.toEqual(waits);
  });

  it('Q3: the queue counts translations but takes whole packets: of 2, another while one is still out', () => {
    const trace = times(40, (index) =>
      packet({ tenant: 0, page: 1 }, { tenant: 0, page: 1 }, { tenant: 0, page: 2 + index * pagesPer2MiB }),
    );
    const [one, two, three] = [1, 2, 3].map((queueEntries) => compat(trace, { queueEntries }).timeNs);
    expect(two).toBeLessThan(one!);
    expect(three).toBeLessThanOrEqual(two!);
  });

  it('Q4: the interval between packets is cut to whole nanoseconds, so that more than the link carries fits; not in correct', () => {
    const trace = times(1000, () => packet({ tenant: 0, page: 1 }));
    const { packetIntervalNs, utilization } = compat(trace, { queueEntries: 128 });
    expect(packetIntervalNs).toBe(61);
    expect(utilization).toBeGreaterThan(1);
    const mended = correct(trace, { queueEntries: 128 });
    expect(mended.utilization).toBeLessThanOrEqual(1);
    expect(mended.utilization).toBeGreaterThan(0.9);
  });

  it('Q5: a hit of the L3 page cache makes a 4 KiB page dearer than a miss; in correct it saves reads', () => {
    const first = packet({ tenant: 0, page: 1 });
    const second = packet({ tenant: 0, page: 1 + pagesPer2MiB });
    const both = [...first, ...second];
    // 999 ns are the context miss.
    expect(watched(both, 0).reportedNs).toBe(951 + 999);
    expect(watched(both, 3).reportedNs).toBe(1001);
    const alone = correct(first).memoryReads;
    expect(correct(both).memoryReads - alone).toBeLessThan(alone);
  });

  it('Q6: a 1 GiB page that hits the L2 page cache is lost, which is told; in correct it arrives', () => {
    const trace = [
      ...packet({ tenant: 0, page: pagesPer1GiB + 1 }),
      ...packet({ tenant: 0, page: pagesPer1GiB, level: 3 }),
    ];
    expect(() => compat(trace)).toThrow(/1 GiB page hit the L2 page cache and was lost.*Q6/s);
    expect(correct([trace[3]!, trace[4]!, trace[5]!]).packetsDelivered).toBe(1);
  });

  const alternating = (rounds: number) =>
    times(rounds * 2, (index) => packet({ tenant: index % 2, page: 1 + (index % 40) * pagesPer2MiB }));

  it('Q7: pages are prefetched into a buffer of no entries; not in correct', () => {
    const { prefetch, caches, translations } = compat(alternating(100));
    expect(prefetch.fill).toBeGreaterThan(0);
    expect(caches.L2PAGE.hit + caches.L2PAGE.miss).toBeGreaterThan(translations);
    expect(correct(alternating(100)).prefetch).toMatchObject({ requests: 0, fill: 0 });
  });

  it('Q8: a prefetched page that arrives takes the nanosecond of a demand', () => {
    // A page that the device has, twice, and a new region, after 1002 ns: the only packet in flight. Six pages prefetched for it are due from
    // 1000 ns on, one per nanosecond; the next packet's hits at 1005 and 1006 ns.
    const trace = (tenants: number) =>
      times(80, (index) => {
        const tenant = index % tenants;
        return packet({ tenant, page: 1 }, { tenant, page: 1 }, { tenant, page: 1 + (index + 1) * pagesPer2MiB });
      });
    const change = { linkGbps: 12.299 };
    const waitsAtTheEnd = (tenants: number) =>
      [210, 211, 213, 214, 216, 217].filter((position) => {
        const { steps } = watched(trace(tenants), position, change);
        expect(steps.slice(-1)).toMatchObject([{ what: 'device TLB', outcome: 'has it already' }]);
        return steps.at(-2)!.what === 'queue';
      });
    expect(waitsAtTheEnd(2)).not.toHaveLength(0);
    // One requester follows none, so that nothing is prefetched.
    expect(waitsAtTheEnd(1)).toHaveLength(0);
  });

  it('Q9: who follows whom is learned once; in correct anew each time', () => {
    const trace = times(200, (index) =>
      packet({ tenant: index % 2 === 0 ? 0 : index < 100 ? 1 : 2, page: 1 + (index % 3) }),
    );
    // A packet's three translations ahead: the original looks one further than its distance.
    const { prefetch } = compat(trace, { prefetch: { bufferEntries: 8, historyDepth: 2, distance: 2 } });
    expect(prefetch).toMatchObject({ newMap: 3, sids: 3 });
    const mended = correct(trace, { prefetch: { entries: 8, history: 2, distance: 3 } }).prefetch;
    expect(mended.diff_sid).toBeGreaterThan(0);
    expect(mended.correct).toBeGreaterThan(20 * mended.incorrect);
  });

  it('Q10: what fills a page that came meanwhile counts as a hit; look-ups count in correct', () => {
    const trace = packet({ tenant: 0, page: 1 });
    expect(compat(trace).caches.IOTLB).toMatchObject({ hit: 2, miss: 1 });
    expect(correct(trace).caches.DEVTLB).toMatchObject({ hit: 0, miss: 3 });
  });

  it('Q11: the domain does not choose the set, so that nine tenants of one page thrash eight ways; it does in correct', () => {
    const rounds = 5;
    const tenants = 9;
    const trace = times(rounds * tenants, (index) => packet({ tenant: index % tenants, page: 1 }));
    expect(compat(trace).caches.IOTLB.miss).toBe(rounds * tenants);
    expect(correct(trace).caches.DEVTLB.hit).toBeGreaterThan(0);
    expect(correct(trace, { index: 'address' }).caches.DEVTLB.hit).toBeLessThan(correct(trace).caches.DEVTLB.hit);
  });

  it('Q12: sets beyond a power of two are never used, and more groups than sets are refused; correct uses every set', () => {
    const trace = times(240, (index) => packet({ tenant: 0, page: 1 + (index % 24) * pagesPer2MiB }));
    const { rows } = compat(trace, { deviceTlb: { entries: 24, ways: 1, partitions: 1 } }).caches.IOTLB;
    expect(rows).toHaveLength(24);
    expect(rows.slice(16)).toEqual(new Array(8).fill(0));
    expect(() => compat(trace, { deviceTlb: { entries: 8, ways: 8, partitions: 2 } })).toThrow(
      /2 partitions of 1 sets/,
    );
    const missesWith = (entries: number) =>
      correct(trace, { deviceTlb: { entries, ways: 1 }, index: 'address' }).caches.DEVTLB.miss;
    expect(missesWith(24)).toBeLessThanOrEqual(missesWith(16));
  });

  it('Q13: in order is first in, first out per queue: a hit waits for the misses before it there', () => {
    const trace = times(60, (index) =>
      packet({ tenant: 0, page: 1 }, { tenant: 0, page: 1 }, { tenant: 0, page: 2 + index * pagesPer2MiB }),
    );
    const change = { queueEntries: 32 };
    const sampled = [90, 91, 92, 93, 94, 95];
    const longest = (inOrder: boolean) =>
      sampled.reduce((most, position) => Math.max(most, waited(watched(trace, position, { ...change, inOrder }))), 0);
    expect(longest(true)).toBeGreaterThan(longest(false) + 100);
  });
});
