import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NaiveConfig, type NaiveRequest, naiveRun } from './naive-model.case.ts';
import { createTranslationBlock, type TranslationBlock } from './records.ts';
import { type CompatIoConfig, createCompatSimulation } from './simulate.ts';

const maskLo: Readonly<Record<number, number>> = { 0: 0, 1: 0xfffff000, 2: 0xffe00000, 3: 0xc0000000 };

function blockOf(
  trace: readonly (Omit<NaiveRequest, 'level' | 'nextAccess'> & { level: number; nextAccess?: number })[],
): TranslationBlock {
  const block = createTranslationBlock(Math.max(1, trace.length));
  block.length = trace.length;
  for (const [record, { sid, did, iova, level, nextAccess }] of trace.entries()) {
    block.sid[record] = sid;
    block.did[record] = did;
    block.iovaLo[record] = iova >>> 0;
    block.iovaHi[record] = Math.floor(iova / 2 ** 32);
    block.maskLo[record] = maskLo[level]!;
    block.maskHi[record] = 0xffffffff;
    block.level[record] = level;
    block.nextAccess[record] = nextAccess ?? Infinity;
  }
  return block;
}

function configOf(naive: NaiveConfig): CompatIoConfig {
  return {
    contextCache: naive.context,
    deviceTlb: naive.tlb,
    l2PageCache: naive.l2,
    l3PageCache: naive.l3,
    prefetch: { bufferEntries: naive.bufferEntries, historyDepth: naive.historyDepth, distance: naive.distance },
    queueEntries: naive.queueEntries,
    linkGbps: naive.linkGbps,
    replacement: naive.replacement,
    inOrder: naive.inOrder,
    selective: naive.selective,
  };
}

const cacheShape = fc
  .record({
    setBits: fc.integer({ min: 0, max: 3 }),
    ways: fc.integer({ min: 1, max: 4 }),
    partitionBits: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ setBits, ways, partitionBits }) => ({
    entries: 2 ** setBits * ways,
    ways,
    partitions: 2 ** Math.min(setBits, partitionBits),
  }));

const naiveConfig: fc.Arbitrary<NaiveConfig> = fc.record({
  tlb: cacheShape,
  l2: cacheShape,
  l3: cacheShape,
  context: fc.integer({ min: 1, max: 16 }).map((ways) => ({ entries: ways, ways, partitions: 1 })),
  bufferEntries: fc.integer({ min: 0, max: 4 }),
  historyDepth: fc.integer({ min: 1, max: 3 }),
  distance: fc.integer({ min: 1, max: 8 }),
  queueEntries: fc.integer({ min: 1, max: 12 }),
  linkGbps: fc.constantFrom(10, 40, 200, 400, 2000),
  inOrder: fc.boolean(),
  selective: fc.boolean(),
  replacement: fc.constantFrom<'lru' | 'lfu' | 'oracle'>('lru', 'lfu', 'oracle'),
});

const request = fc.record({
  tenant: fc.integer({ min: 0, max: 7 }),
  level: fc.constantFrom<1 | 2>(1, 2),
  page: fc.integer({ min: 0, max: 20 }),
});
const naiveTrace = fc.array(request, { maxLength: 150 }).map((requests): NaiveRequest[] => {
  const pages = requests.map(({ tenant, level, page }) => ({
    sid: 16 + tenant * 8,
    did: tenant,
    level,
    iova: 0x3_fff0_0000 + page * (level === 1 ? 4096 : 2 ** 21) + 64,
  }));
  const sizeOf = (level: 1 | 2) => (level === 1 ? 4096 : 2 ** 21);
  return pages.map((one, at) => {
    const own = Math.floor(one.iova / sizeOf(one.level));
    const next = pages.findIndex(
      (other, index) =>
        index > at &&
        other.did === one.did &&
        other.level === one.level &&
        Math.floor(other.iova / sizeOf(other.level)) === own,
    );
    return { ...one, nextAccess: next === -1 ? Infinity : next };
  });
});

describe('the event-driven model', () => {
  it('counts what stepping through every nanosecond counts', () => {
    fc.assert(
      fc.property(naiveConfig, naiveTrace, (naive, trace) => {
        const simulation = createCompatSimulation(configOf(naive));
        simulation.feed(blockOf(trace));
        const { timeNs, translations, packetsDropped, caches, prefetch } = simulation.finish();
        const of = ({ hit, miss, conflict }: { hit: number; miss: number; conflict: number }) => ({
          hit,
          miss,
          conflict,
        });
        expect({
          timeNs,
          translations,
          packetsDropped,
          context: of(caches.CC),
          tlb: of(caches.IOTLB),
          l2: of(caches.L2PAGE),
          l3: of(caches.L3PAGE),
          counts: {
            correct: prefetch.correct,
            incorrect: prefetch.incorrect,
            made: prefetch.made,
            newMap: prefetch.newMap,
            same: prefetch.sameSid,
            different: prefetch.diffSid,
            historyHit: prefetch.historyHit,
            fill: prefetch.fill,
            fillSame: prefetch.fillSame,
            bufferHit: prefetch.bufferHit,
          },
        }).toEqual(naiveRun(naive, trace));
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same result however the trace is split into blocks', () => {
    fc.assert(
      fc.property(naiveConfig, naiveTrace, fc.array(fc.nat(10), { minLength: 1 }), (naive, trace, lengths) => {
        const whole = createCompatSimulation(configOf(naive));
        whole.feed(blockOf(trace));
        const split = createCompatSimulation(configOf(naive));
        for (let at = 0, turn = 0; at < trace.length; turn++) {
          const length = lengths[turn % lengths.length]! + 1;
          split.feed(blockOf(trace.slice(at, at + length)));
          at += length;
        }
        expect(split.finish()).toEqual(whole.finish());
      }),
      { numRuns: 100 },
    );
  });

  const base: NaiveConfig = {
    tlb: { entries: 64, ways: 8, partitions: 1 },
    l2: { entries: 512, ways: 16, partitions: 1 },
    l3: { entries: 1024, ways: 16, partitions: 1 },
    context: { entries: 1536, ways: 1536, partitions: 1 },
    bufferEntries: 0,
    historyDepth: 2,
    distance: 32,
    queueEntries: 1,
    linkGbps: 200,
    inOrder: false,
    selective: false,
    replacement: 'lru',
  };

  it.each([
    ['4 KiB page, both page caches miss', 1, 951],
    ['2 MiB page, both page caches miss', 2, 1001],
    ['1 GiB page, both page caches miss', 3, 1051],
  ])('reports the latency of a lone translation: %s', (_, level, reported) => {
    const simulation = createCompatSimulation(configOf(base));
    simulation.feed(blockOf([{ sid: 16, did: 0, iova: 0x40000000, level }]));
    const { flows } = simulation.finish();
    // A context miss costs 1000 ns where a hit costs 1 (specs/io.md 2.3).
    expect(flows[0]!.timeNs).toBe(reported + 999);
  });

  it('stops with a reason where the original loses a 1 GiB request and loops for ever', () => {
    const simulation = createCompatSimulation(configOf(base));
    const packet = (iova: number, level: number) =>
      blockOf(Array.from({ length: 3 }, () => ({ sid: 16, did: 0, iova, level })));
    expect(() => {
      simulation.feed(packet(0x40001000, 1));
      simulation.feed(packet(0x40000000, 3));
      simulation.finish();
    }).toThrow(/1 GiB page hit the L2 page cache and was lost/);
  });

  it.each([
    [{ queueEntries: 0 }, /admits nothing/],
    [{ linkGbps: 20_000 }, /at most 12336 Gb\/s, found 20000/],
    [{ historyDepth: 0 }, /histlen 0/],
    [{ tlb: { entries: 4, ways: 8, partitions: 1 } }, /IOTLB: 4 entries in 8 ways leave no set/],
    [{ l2: { entries: 64, ways: 8, partitions: 0 } }, /L2PAGE: zero partitions/],
    [{ l3: { entries: 64, ways: 8, partitions: 16 } }, /L3PAGE: 16 partitions of 8 sets/],
  ])('refuses %j, where the original crashes or hangs', (change, message) => {
    expect(() => createCompatSimulation(configOf({ ...base, ...change }))).toThrow(message);
  });
});
