import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBuddy, maxOrder } from './buddy.ts';
import { createRandom } from './random.ts';

/** The obviously right account of a memory: which frames are free, and the largest aligned blocks that they form. */
function naiveMemory(frames: number) {
  const free = new Set(Array.from({ length: frames }, (_, frame) => frame));
  const isFree = (first: number, count: number) => {
    for (let frame = first; frame < first + count; frame++) if (!free.has(frame)) return false;
    return true;
  };
  const blocks = () => {
    const counts = new Array<number>(maxOrder + 1).fill(0);
    for (let frame = 0; frame < frames; ) {
      let order = maxOrder;
      while (order >= 0 && (frame % 2 ** order !== 0 || !isFree(frame, 2 ** order))) order--;
      if (order >= 0) counts[order]!++;
      frame += order < 0 ? 1 : 2 ** order;
    }
    return counts;
  };
  return {
    free,
    isFree,
    blocks,
    hasRun: (count: number) => [...free].some((first) => isFree(first, count)),
    hasBlock: (order: number) => [...free].some((first) => first % 2 ** order === 0 && isFree(first, 2 ** order)),
  };
}

const stepArbitrary = fc.record({
  act: fc.constantFrom('block', 'block', 'range', 'take', 'free', 'free'),
  order: fc.integer({ min: 0, max: 6 }),
  count: fc.integer({ min: 1, max: 90 }),
  pick: fc.nat(1000),
});

describe('a buddy allocator', () => {
  it('hands out what is free and nothing twice, fails only when nothing fits, and merges all that comes back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(stepArbitrary, { maxLength: 60 }), (frames, steps) => {
        const buddy = createBuddy({ frames });
        const naive = naiveMemory(frames);
        const held: [number, number][] = [];
        const hold = (first: number, count: number) => {
          expect(naive.isFree(first, count)).toBe(true);
          for (let frame = first; frame < first + count; frame++) naive.free.delete(frame);
          held.push([first, count]);
        };
        for (const { act, order, count, pick } of steps) {
          if (act === 'block') {
            const fits = naive.hasBlock(order);
            const first = buddy.allocateBlock(order);
            expect(first >= 0).toBe(fits);
            expect(first < 0 || first % 2 ** order === 0).toBe(true);
            if (first >= 0) hold(first, 2 ** order);
          } else if (act === 'range') {
            const fits = naive.hasRun(count);
            const first = buddy.allocateRange(count);
            expect(first >= 0).toBe(fits);
            if (first >= 0) hold(first, count);
          } else if (act === 'take') {
            const first = pick % frames;
            const fits = naive.isFree(first, count);
            expect(buddy.take(first, count)).toBe(fits);
            if (fits) hold(first, count);
          } else if (held.length > 0) {
            const [[first, freed]] = held.splice(pick % held.length, 1) as [[number, number]];
            buddy.freeRange(first, freed);
            for (let frame = first; frame < first + freed; frame++) naive.free.add(frame);
          }
          expect(buddy.freeFrames).toBe(naive.free.size);
        }
        const blocks = naive.blocks();
        expect(blocks.map((_, order) => buddy.freeBlocks(order))).toEqual(blocks);
        expectIndices(buddy, blocks);
        for (const [first, count] of held) buddy.freeRange(first, count);
        const fresh = createBuddy({ frames });
        expect(blocks.map((_, order) => buddy.freeBlocks(order))).toEqual(
          blocks.map((_, order) => fresh.freeBlocks(order)),
        );
      }),
      { numRuns: 150 },
    );
  });

  function expectIndices(buddy: ReturnType<typeof createBuddy>, blocks: readonly number[]): void {
    const free = blocks.reduce((sum, count, order) => sum + count * 2 ** order, 0);
    const freeBlocks = blocks.reduce((sum, count) => sum + count, 0);
    for (const order of [0, 3, 6]) {
      const suitable = blocks.reduce((sum, count, at) => sum + (at >= order ? count * 2 ** at : 0), 0);
      expect(buddy.unusableIndex(order)).toBeCloseTo(free === 0 ? 1 : (free - suitable) / free, 12);
      const expected = free === 0 ? 0 : suitable > 0 ? -1 : 1 - (1 + free / 2 ** order) / freeBlocks;
      expect(buddy.fragmentationIndex(order)).toBeCloseTo(expected, 12);
    }
  }

  it('finds runs that span gigabytes and are no buddies', () => {
    const buddy = createBuddy({ frames: 3 * 2 ** 18 });
    expect(buddy.take(10, 1)).toBe(true);
    expect(buddy.take(3 * 2 ** 18 - 5, 1)).toBe(true);
    expect(buddy.allocateRange(2 ** 19 + 3)).toBe(11);
    expect(buddy.allocateRange(2 ** 18)).toBe(-1);
    expect(buddy.allocateRange(2 ** 18 - 30)).toBe(11 + 2 ** 19 + 3);
  });

  it('holds petabytes without paying for what is not touched', () => {
    const before = process.memoryUsage().arrayBuffers;
    const buddy = createBuddy({ frames: 2 ** 40 });
    for (let block = 0; block < 1000; block++) buddy.allocateBlock(9);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(12e6);
    expect(buddy.freeFrames).toBe(2 ** 40 - 512_000);
    expect(buddy.take(2 ** 40 - 1, 1)).toBe(true);
  });

  it('is brought to a wanted share of unusable memory by pinning frames, and back by freeing them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (frames, share) => {
        const buddy = createBuddy({ frames });
        const before = buddy.unusableIndex(9);
        const pinned = buddy.fragment(createRandom(1), share);
        const reached = buddy.unusableIndex(9);
        const oneBlock = 512 / Math.max(1, buddy.freeFrames);
        expect(reached).toBeGreaterThanOrEqual(Math.max(share, before) - 1e-9);
        if (pinned.length > 0) expect(reached - share).toBeLessThan(oneBlock + 1e-9);
        expect(new Set(pinned).size).toBe(pinned.length);
        for (const frame of pinned) buddy.free(frame, 0);
        expect(buddy.freeFrames).toBe(frames);
        expect(buddy.unusableIndex(9)).toBe(before);
      }),
      { numRuns: 30 },
    );
  });

  it('is aged as if every pin had been taken by itself, whatever is asked of it then', () => {
    const section = 2 ** maxOrder;
    const usesArbitrary = fc.array(
      fc.record({ act: fc.constantFrom('block', 'range', 'free', 'take'), order: fc.nat(12), at: fc.nat(4 * section) }),
      { maxLength: 40 },
    );
    const setUp = fc.record({
      frames: fc.integer({ min: section, max: 4 * section }),
      boot: fc.constantFrom(0, 4096, section + 77),
      wasSplit: fc.boolean(),
      share: fc.constantFrom(0.02, 0.5, 0.97, 1),
      order: fc.constantFrom(9, 9, 7, maxOrder),
    });
    fc.assert(
      fc.property(setUp, usesArbitrary, ({ frames, boot, wasSplit, share, order }, uses) => {
        const [aged, pinnedSingly] = [createBuddy({ frames }), createBuddy({ frames })];
        for (const buddy of [aged, pinnedSingly]) {
          buddy.take(0, Math.min(boot, frames));
          if (wasSplit && buddy.take(frames - 1, 1)) buddy.free(frames - 1, 0);
        }
        const pins = aged.fragment(createRandom(3), share, order);
        expect(pins.every((pin) => pinnedSingly.take(pin, 1))).toBe(true);
        const held: [number, number][] = [];
        const both = <T>(use: (buddy: typeof aged) => T): T => {
          const answer = use(aged);
          expect(use(pinnedSingly)).toEqual(answer);
          return answer;
        };
        const state = (buddy: typeof aged) => [
          buddy.freeFrames,
          ...Array.from({ length: maxOrder + 1 }, (_, of) => buddy.freeBlocks(of)),
        ];
        both(state);
        for (const { act, order: of, at } of uses) {
          if (act === 'block') {
            const frame = both((buddy) => buddy.allocateBlock(of));
            if (frame >= 0) held.push([frame, 2 ** of]);
          } else if (act === 'range') {
            const count = 2 ** of + 3;
            const frame = both((buddy) => buddy.allocateRange(count));
            if (frame >= 0) held.push([frame, count]);
          } else if (act === 'take') {
            if (both((buddy) => buddy.take(at, of))) held.push([at, of]);
          } else {
            const [frame, count] = held.splice(at % Math.max(1, held.length), 1)[0] ?? [0, 0];
            both((buddy) => buddy.freeRange(frame, count));
          }
          both(state);
        }
        for (const pin of pins) for (const buddy of [aged, pinnedSingly]) buddy.free(pin, 0);
        both(state);
      }),
      { numRuns: 20 },
    );
  });

  it('says whose memory is used up, and what size is impossible', () => {
    const buddy = createBuddy({ frames: 1, owner: 'VM 1' });
    buddy.allocate();
    expect(() => buddy.allocate()).toThrow('the memory of VM 1 is used up; found 1 frames of 4 KiB (0.00 GiB), none');
    expect(() => createBuddy({ frames: 2 ** 40 + 1 })).toThrow(/4 PiB/);
    expect(() => createBuddy({ frames: 0 })).toThrow(/4 KiB to 4 PiB/);
  });

  it('refuses to free what is free', () => {
    const buddy = createBuddy({ frames: 1024 });
    expect(() => buddy.free(3, 0)).toThrow(/was not allocated/);
  });
});
