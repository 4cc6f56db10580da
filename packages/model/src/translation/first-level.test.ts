import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessKind } from '../machine/accesses.ts';
import { createFirstLevel } from '../machine/first-level.ts';
import { resolveMachine } from '../machine/machine-file.ts';
import { createAddressSpaces } from '../machine/operating-system/index.ts';
import { createRandom } from '../machine/random.ts';
import { createAccessStream, Touch } from './access-stream.ts';
import { resolveTranslationConfig, type TranslationConfig } from './config.ts';
import { createFirstLevelFilter } from './first-level.ts';
import { createSimulation } from './simulate.ts';
import { randomTrace, split, type TestAccess } from './traces.case.ts';

const cache = (sets: number, ways: number, policy: string, sharedByCores = 1) => ({
  sizeBytes: sets * ways * 64,
  ways,
  policy,
  sharedByCores,
});
const policies = fc.constantFrom('lru', 'lfu', 'tree-plru', 'random', 'srrip');

const machines = fc
  .record({
    cores: fc.integer({ min: 1, max: 3 }),
    prefetcher: fc.constantFrom('none', 'nextline'),
    walkerReads: fc.constantFrom('l1d', 'l2'),
    l1iPolicy: policies,
    l1dPolicy: policies,
    sets: fc.constantFrom(1, 2, 5),
    shared: fc.constantFrom(0, 1, 2),
    l2Sets: fc.constantFrom(8, 256),
  })
  .map(({ l1iPolicy, l1dPolicy, sets, shared, l2Sets, ...rest }) => ({
    ...rest,
    l1i: cache(sets, 2, l1iPolicy, shared),
    l1d: cache(sets, 2, l1dPolicy, shared),
    l2: cache(l2Sets, 2, 'lru'),
    llc: cache(256, 3, 'lru', 0),
    tlb: { l1d: { page4k: { entries: 8, ways: 2 } }, l2: { page4k: { entries: 24, ways: 3 } } },
  }));

/** Accesses of which many repeat the one before, by the same thread or another. */
function repeating(seed: number): TestAccess[] {
  const random = createRandom(seed);
  return randomTrace(seed, 900).flatMap((access) => {
    const thread = random.below(3) === 0 ? random.below(3) : access.thread!;
    const kind = random.below(3) === 0 ? AccessKind.fetch : access.kind!;
    return Array.from({ length: 1 + random.below(3) }, () => ({ ...access, thread, kind }));
  });
}

function run(config: TranslationConfig, trace: readonly TestAccess[]) {
  const { spaces } = createAddressSpaces([{}, {}], createRandom(1));
  const simulation = createSimulation(config, spaces);
  for (const block of split(trace, [1300, 2600])) simulation.feed(block);
  return simulation.finish();
}

describe('what first levels answer for all designs alike', () => {
  it('may be left out: results are those of the interpreted engine, which leaves out nothing, under every policy', () => {
    fc.assert(
      fc.property(machines, fc.nat(), fc.nat(1200), (machine, seed, warmup) => {
        const designs = { radix: {}, victima: { pressureMisses: 300 }, fpt: { pressureMisses: 300 } };
        const config = resolveTranslationConfig({ setup: 'virtualized', machine, designs, warmup });
        const trace = repeating(seed);
        expect(run(config, trace)).toEqual(run({ ...config, engine: 'interpreted' }, trace));
      }),
      { numRuns: 25 },
    );
  });

  it('are looked at where a fault in the middle of a fetch comes after many accesses that do not repeat', () => {
    const base = 0x7f00_0000_0000;
    const loads = Array.from({ length: 5000 }, (_, at) => ({ address: base + 64 * at }));
    const fetches = Array.from({ length: 40 }, (_, at) => ({
      address: 0x40_0000 + 8192 * (at >> 1),
      kind: AccessKind.fetch,
      size: 8192,
    }));
    const config = resolveTranslationConfig({ setup: 'virtualized', machine: { cores: 1 } });
    const trace = [...loads, ...fetches.flatMap((fetch, at) => [...loads.slice(at * 100, at * 100 + 100), fetch])];
    expect(run(config, trace)).toEqual(run({ ...config, engine: 'interpreted' }, trace));
  });

  it('is every fetch that hits and every repeated access; walks, and what comes after them, stay', () => {
    const stream = createAccessStream();
    const put = (line: number, touch: number, walk = -1) => {
      const at = stream.length++;
      stream.line[at] = line;
      stream.walk[at] = walk;
      stream.touch[at] = touch;
    };
    put(1, Touch.fetch);
    put(1, Touch.fetch);
    put(9, Touch.data);
    put(9, Touch.data);
    put(1, Touch.fetch, 5);
    put(9, Touch.data);
    const filter = createFirstLevelFilter(createFirstLevel(resolveMachine({}), createRandom(1)));
    filter.run(stream, 0);
    const column = (array: ArrayLike<number>) => Array.from(array).slice(0, stream.length);
    expect(column(stream.touch)).toEqual([Touch.fetchMissed, Touch.data, Touch.answered, Touch.data]);
    expect(column(stream.line)).toEqual([1, 9, 1, 9]);
    expect(column(stream.leftOut)).toEqual([0, 1, 1, 1]);
    expect(filter.counts).toEqual({ l1i: { hits: 2, misses: 1 }, l1d: { hits: 1 } });
  });

  it('loses no count of what was left out when it rests, where hardly anything repeats', () => {
    const stream = createAccessStream();
    const filter = createFirstLevelFilter(createFirstLevel(resolveMachine({}), createRandom(1)));
    let leftOut = 0;
    for (let run = 0; run < 40; run++) {
      stream.length = 0;
      for (let at = 0; at < 32; at++) stream.line[stream.length++] = run * 100 + at;
      stream.line[stream.length++] = run * 100 + 31;
      stream.touch.fill(Touch.data);
      stream.walk.fill(-1);
      filter.run(stream, 0);
      for (let at = 0; at < stream.length; at++) leftOut += stream.leftOut[at]!;
    }
    // Runs 0, 16 and 32 leave out their last access; the next run says so.
    expect([leftOut, filter.counts.l1d.hits]).toEqual([3, 3]);
  });
});
