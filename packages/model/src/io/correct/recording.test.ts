import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveScheme } from '../schemes/registry.ts';
import { resolveIoMachine } from './config.ts';
import { Probe } from './probe.ts';
import { createRecordedBlock, RecordedKind } from './recorded-block.ts';
import { createIoSimulation } from './simulate.ts';

type Element =
  | {
      readonly kind: 'dma';
      readonly domain: number;
      readonly vpn: number;
      readonly level: 1 | 2;
      readonly frame: number;
    }
  | { readonly kind: 'pages' | 'unmapped'; readonly domain: number; readonly vpn: number; readonly pages: number }
  | { readonly kind: 'domain' | 'context'; readonly domain: number };

const kinds = {
  dma: RecordedKind.translation,
  pages: RecordedKind.pagesInvalidated,
  unmapped: RecordedKind.pagesUnmapped,
  domain: RecordedKind.domainInvalidated,
  context: RecordedKind.contextInvalidated,
};

function replay(
  elements: readonly Element[],
  machine: Record<string, unknown>,
  scheme = 'recorded',
  probe = new Probe(-1),
) {
  const accessed: { domain: number; vpn: number; frame: number }[] = [];
  const simulation = createIoSimulation({
    machine: resolveIoMachine({
      queueEntries: 12,
      arrival: 'backlog',
      deviceTlb: { entries: 4, ways: 2 },
      iotlb: { entries: 8, ways: 2 },
      l2Cache: { entries: 2, ways: 2 },
      ...machine,
    }),
    ...resolveScheme(scheme),
    hasRecording: true,
    probe,
    observer: { accessed: (domain, vpn, frame) => accessed.push({ domain, vpn, frame }) },
  });
  const block = createRecordedBlock(Math.max(1, elements.length));
  for (const element of elements) {
    const at = block.length++;
    const vpn = 'vpn' in element ? element.vpn : 0;
    block.kind[at] = kinds[element.kind];
    block.did[at] = element.domain;
    block.sid[at] = element.domain * 8;
    block.iovaLo[at] = vpn * 4096;
    block.pages[at] = 'pages' in element ? element.pages : 1;
    if (element.kind !== 'dma') continue;
    block.level[at] = element.level;
    block.entryLo[at] = element.frame * 4096 + 3;
  }
  simulation.feedRecorded(block);
  return { result: simulation.finish(), accessed, simulation };
}

/** What each DMA of a page must have got, in order: the entry recorded with it. */
function expected(elements: readonly Element[]): Map<string, number[]> {
  const frames = new Map<string, number[]>();
  for (const element of elements) {
    if (element.kind !== 'dma') continue;
    const { domain, vpn, level, frame } = element;
    const key = `${domain}:${vpn}`;
    frames.set(key, [...(frames.get(key) ?? []), level === 2 ? frame + (vpn % 512) : frame]);
  }
  return frames;
}

const domain = fc.integer({ min: 1, max: 3 });
const vpn = fc.oneof(fc.integer({ min: 1024, max: 1030 }), fc.integer({ min: 1532, max: 1540 }));
const element: fc.Arbitrary<Element> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('dma' as const),
      domain,
      vpn,
      level: fc.constant(1 as const),
      frame: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('dma' as const),
      domain,
      vpn,
      level: fc.constant(2 as const),
      frame: fc.constantFrom(512, 1024),
    }),
  },
  fc.record({
    kind: fc.constantFrom('pages' as const, 'unmapped' as const),
    domain,
    vpn,
    pages: fc.constantFrom(1, 2, 16),
  }),
  fc.record({ kind: fc.constantFrom('domain' as const, 'context' as const), domain }),
);

describe('a recording', () => {
  it('gives every DMA the frame of the entry recorded with it, whatever is on its way', () => {
    fc.assert(
      fc.property(
        fc.array(element, { minLength: 1, maxLength: 120 }),
        fc.record({
          ats: fc.boolean(),
          inOrder: fc.boolean(),
          scalable: fc.boolean(),
          walkers: fc.integer({ min: 1, max: 3 }),
          memoryNs: fc.constantFrom(0, 50, 400),
          prefetch: fc.constantFrom({ entries: 0 }, { entries: 4, history: 2, distance: 3 }),
        }),
        (elements, machine) => {
          const { accessed, result } = replay(elements, machine);
          const got = new Map<string, number[]>();
          for (const { domain, vpn, frame } of accessed) {
            const key = `${domain}:${vpn}`;
            got.set(key, [...(got.get(key) ?? []), frame]);
          }
          expect(got).toEqual(expected(elements));
          expect(result.refusedAccesses).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('explains what a DMA waits for that its commands hold up: the driver, no translation before it', () => {
    const dma: Element = { kind: 'dma', domain: 1, vpn: 1024, level: 1, frame: 5 };
    const first = (commands: readonly Element[]) => {
      const probe = new Probe(0);
      replay([...commands, dma, dma, dma], { ats: false }, 'recorded', probe);
      return probe.steps.slice(0, 2);
    };
    const buffer = { what: 'receive buffer', outcome: 'empty', nanoseconds: 0 };
    expect(first([])[0]).toEqual(buffer);
    // 200 ns to write the command, 500 ns to carry it out.
    expect(first([{ kind: 'pages', domain: 1, vpn: 1024, pages: 1 }])).toEqual([
      { what: 'driver', outcome: "waits for the recording's commands", nanoseconds: 700 },
      buffer,
    ]);
  });

  it('carries out each recorded command, and asks the tables again after it', () => {
    const dma: Element = { kind: 'dma', domain: 1, vpn: 1024, level: 1, frame: 5 };
    const settled: Element[] = Array.from({ length: 90 }, () => dma);
    const walks = (commands: readonly Element[]) => replay([...settled, ...commands, ...settled], {}).result;
    expect(walks([]).walks).toBe(1);
    const dropped = walks([{ kind: 'pages', domain: 1, vpn: 1024, pages: 1 }]);
    expect({ walks: dropped.walks, invalidations: dropped.invalidations }).toEqual({ walks: 2, invalidations: 1 });
    expect(walks([{ kind: 'pages', domain: 1, vpn: 1025, pages: 1 }]).walks).toBe(1);
    expect(walks([{ kind: 'domain', domain: 1 }]).walks).toBe(2);
    expect(walks([{ kind: 'domain', domain: 2 }]).walks).toBe(1);
    const contextMisses = (commands: readonly Element[]) => {
      const { caches, walks } = replay([...settled, ...commands, ...settled], { ats: false }).result;
      return { walks, misses: caches.CC.miss };
    };
    const undisturbed = contextMisses([]);
    const without = contextMisses([{ kind: 'context', domain: 1 }]);
    expect(without.walks).toBe(undisturbed.walks);
    expect(without.misses).toBeGreaterThan(undisturbed.misses);
    expect(contextMisses([{ kind: 'context', domain: 2 }])).toEqual(undisturbed);
  });

  it.each(['1', '2'])('leaves a page reachable until the recording takes it away, in %s dimension(s)', (dimensions) => {
    const dma: Element = { kind: 'dma', domain: 1, vpn: 1027, level: 2, frame: 512 };
    const reachable = (...after: Element[]) => {
      const { simulation } = replay([dma, dma, dma, ...after], { dimensions });
      return [1027, 1030].map((vpn) => simulation.isReachable(1, vpn));
    };
    expect(reachable()).toEqual([true, true]);
    expect(reachable({ kind: 'pages', domain: 1, vpn: 1027, pages: 1 })).toEqual([true, true]);
    expect(reachable({ kind: 'unmapped', domain: 1, vpn: 1027, pages: 1 })).toEqual([false, false]);
    expect(reachable({ kind: 'unmapped', domain: 2, vpn: 1027, pages: 1 })).toEqual([true, true]);
  });

  it('changes a mapping by a command of its own where the recording has none', () => {
    const at = (frame: number): Element => ({ kind: 'dma', domain: 1, vpn: 1024, level: 1, frame });
    const { result, accessed } = replay([at(5), at(5), at(6), at(6)], {});
    expect(accessed.map(({ frame }) => frame)).toEqual([5, 5, 6, 6]);
    expect(result.invalidations).toBe(1);
  });

  it('keeps the first mapping, and gives no command, under schemes whose buffers stay', () => {
    const at = (frame: number): Element => ({ kind: 'dma', domain: 1, vpn: 1024, level: 1, frame });
    const elements = [at(5), { kind: 'pages', domain: 1, vpn: 1024, pages: 1 } as const, at(6)];
    const { result, accessed } = replay(elements, {}, 'persistent-pools');
    expect(accessed.map(({ frame }) => frame)).toEqual([5, 5]);
    expect(result.invalidations).toBe(0);
  });

  it.each(['3', '4', '5'])('reads one entry per level of a table of %s levels', (levels) => {
    const none = { entries: 0, ways: 0 };
    const caches = { deviceTlb: none, iotlb: none, l2Cache: none, l3Cache: none, l4Cache: none, l5Cache: none };
    const elements: Element[] = [1024, 2048, 4096].map((page, index) => ({
      kind: 'dma',
      domain: 1,
      vpn: page,
      level: 1,
      frame: 5 + index,
    }));
    const { result, accessed } = replay(elements, { levels, ...caches });
    // Walks of different pages end in any order.
    expect(accessed.map(({ frame }) => frame).sort()).toEqual([5, 6, 7]);
    expect(result.tableReads).toBe(3 * Number(levels));
  });

  it('gives every DMA the host frame that backs the recorded one, in two dimensions', () => {
    fc.assert(
      fc.property(
        fc.array(element, { minLength: 1, maxLength: 120 }),
        fc.record({
          dimensions: fc.constant('2'),
          hostPages: fc.constantFrom('4k', '2m'),
          levels: fc.constantFrom('3', '4', '5'),
          hostLevels: fc.constantFrom('4', '5'),
          ats: fc.boolean(),
          walkers: fc.integer({ min: 1, max: 3 }),
          l2Cache: fc.constantFrom({ entries: 0, ways: 0 }, { entries: 2, ways: 1 }, { entries: 64, ways: 4 }),
          nestedCache: fc.constantFrom({ entries: 0, ways: 0 }, { entries: 4, ways: 2 }),
          memoryNs: fc.constantFrom(0, 50, 400),
        }),
        (elements, machine) => {
          const { accessed, result } = replay(elements, machine);
          const guest = expected(elements);
          const backing = new Map<string, number>();
          const owner = new Map<number, string>();
          for (const { domain, vpn, frame } of accessed) {
            const recordedFrame = `${domain}:${guest.get(`${domain}:${vpn}`)!.shift()!}`;
            // One frame of a guest has one frame of the host, which nobody else has.
            expect(backing.get(recordedFrame) ?? frame).toBe(frame);
            expect(owner.get(frame) ?? recordedFrame).toBe(recordedFrame);
            backing.set(recordedFrame, frame);
            owner.set(frame, recordedFrame);
          }
          expect([...guest.values()].flat()).toEqual([]);
          expect(result.refusedAccesses).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('drops every cached piece of a large page that is unmapped in part, in two dimensions', () => {
    const at = (vpn: number, level: 1 | 2, frame: number): Element => ({ kind: 'dma', domain: 1, vpn, level, frame });
    const other = [at(4096, 1, 77), at(4096, 1, 77)];
    const elements = [
      ...[at(1027, 2, 512), ...other],
      { kind: 'unmapped', domain: 1, vpn: 1030, pages: 1 } as const,
      ...[at(1027, 1, 9), ...other],
    ];
    const { accessed } = replay(elements, { dimensions: '2' });
    const [before, after] = accessed.filter(({ vpn }) => vpn === 1027);
    expect(after!.frame).not.toBe(before!.frame);
  });

  it('walks the tables of the guest and of the host when there are two dimensions', () => {
    const elements: Element[] = [0, 1, 2].map((page) => ({
      kind: 'dma',
      domain: 1,
      vpn: 1024 + page * 512,
      level: 1,
      frame: 5 + page,
    }));
    const { result } = replay(elements, { dimensions: '2' });
    expect(result.refusedAccesses).toBe(0);
    expect(result.tableReads).toBeGreaterThan(24);
  });
});
