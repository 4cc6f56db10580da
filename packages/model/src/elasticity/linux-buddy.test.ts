import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLinuxBuddy } from './linux-buddy.ts';

describe('the Linux-like buddy allocator', () => {
  it('hands out no frame twice and loses none, whatever is asked of it', () => {
    const step = fc.record({
      order: fc.integer({ min: 0, max: 10 }),
      cpu: fc.nat(2),
      type: fc.nat(2),
      victim: fc.nat(),
      frees: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6000 }), fc.array(step, { maxLength: 300 }), (frames, steps) => {
        const buddy = createLinuxBuddy(frames, 3);
        const owner = new Uint8Array(frames);
        const held: { frame: number; order: number }[] = [];
        let used = 0;
        for (const { order, cpu, type, victim, frees } of steps) {
          if (frees && held.length > 0) {
            const [block] = held.splice(victim % held.length, 1);
            owner.fill(0, block!.frame, block!.frame + 2 ** block!.order);
            used -= 2 ** block!.order;
            buddy.free(cpu, block!.frame, block!.order);
          } else {
            const frame = buddy.allocate(cpu, order, type);
            if (frame < 0) continue;
            expect(frame % 2 ** order).toBe(0);
            expect(owner.subarray(frame, frame + 2 ** order).every((taken) => taken === 0)).toBe(true);
            owner.fill(1, frame, frame + 2 ** order);
            expect(frame + 2 ** order).toBeLessThanOrEqual(frames);
            used += 2 ** order;
            held.push({ frame, order });
          }
          expect(buddy.freeFrames).toBe(frames - used);
        }
        for (const { frame, order } of held) buddy.free(0, frame, order);
        buddy.drain();
        expect(buddy.freeFrames).toBe(frames);
        expect(buddy.freeBlocks(10)).toBe(Math.floor(frames / 1024));
      }),
      { numRuns: 150 },
    );
  });

  it('gives every frame once until memory is used up, also those on lists of other processors', () => {
    const buddy = createLinuxBuddy(4096, 2);
    const seen = new Set<number>();
    for (let frame = buddy.allocate(0, 0, 1); frame >= 0; frame = buddy.allocate(seen.size % 2, 0, 1)) seen.add(frame);
    expect(seen.size).toBe(4096);
    expect(buddy.freeFrames).toBe(0);
  });

  it('keeps unmovable pages together in pageblocks of their own', () => {
    const buddy = createLinuxBuddy(16 * 512);
    const blocksOf = (type: number) =>
      new Set(Array.from({ length: 300 }, () => buddy.allocate(0, 0, type)).map((frame) => frame >>> 9));
    const unmovable = blocksOf(0);
    const movable = blocksOf(1);
    expect([...unmovable].filter((block) => movable.has(block))).toEqual([]);
    expect(unmovable.size).toBe(1);
  });

  it('hands out a page that was just freed first', () => {
    const buddy = createLinuxBuddy(4096);
    const pages = Array.from({ length: 10 }, () => buddy.allocate(0, 0, 1));
    buddy.free(0, pages[4]!, 0);
    expect(buddy.allocate(0, 0, 1)).toBe(pages[4]);
  });

  it('takes the largest block of another type for pages that cannot move, the smallest for those that can', () => {
    // Free: frames 512 to 1023 in one block, 16 of frame 0 on. Everything else is taken as movable.
    const full = () => {
      const buddy = createLinuxBuddy(2048);
      const blocks = Array.from({ length: 128 }, () => buddy.allocate(0, 4, 1));
      expect(new Set(blocks).size).toBe(128);
      for (let frame = 512; frame < 1024; frame += 16) buddy.free(0, frame, 4);
      buddy.free(0, 0, 4);
      buddy.drain();
      return buddy;
    };
    const fixed = full();
    expect(fixed.allocate(0, 4, 0)).toBe(512);
    expect([0, 1].map((type) => fixed.listLength(8, type))).toEqual([1, 0]);
    // Nothing but small pieces of reclaimable memory: a movable request takes the smaller one first.
    const split = createLinuxBuddy(512);
    const first = split.allocate(0, 8, 2);
    split.allocate(0, 8, 2);
    split.free(0, first, 3);
    split.free(0, first + 64, 2);
    split.drain();
    expect([split.listLength(3, 2), split.listLength(2, 2)]).toEqual([1, 1]);
    expect(split.allocate(0, 2, 1)).toBe(first + 64);
    // With a piece of 16 frames the free rest of the pageblock comes along.
    split.drain();
    split.free(0, first + 128, 4);
    split.drain();
    expect(split.allocate(0, 4, 1)).toBe(first + 128);
    expect([0, 1, 2, 3].map((order) => split.listLength(order, 2))).toEqual([0, 0, 0, 0]);
  });

  it('changes the type of a pageblock when half of it is free or of the like, and steals no more than what is free else', () => {
    const typeAfter = (freed: number) => {
      const buddy = createLinuxBuddy(512);
      const blocks = Array.from({ length: 32 }, () => buddy.allocate(0, 4, 1));
      for (const frame of blocks.slice(0, freed)) buddy.free(0, frame, 4);
      const taken = buddy.allocate(0, 4, 0);
      expect(taken).toBeGreaterThanOrEqual(0);
      // Freed again, a block goes on the list of its pageblock's type.
      buddy.free(0, blocks[31]!, 4);
      const lists = [0, 1].map((type) =>
        [4, 5, 6, 7, 8].reduce((sum, order) => sum + buddy.listLength(order, type), 0),
      );
      return lists[1] === 0 ? 'unmovable' : 'movable';
    };
    expect([1, 8, 15, 16, 24].map(typeAfter)).toEqual(['movable', 'movable', 'movable', 'unmovable', 'unmovable']);
  });

  it('keeps up to 378 pages of a processor from merging, and more goes back oldest first', () => {
    const buddy = createLinuxBuddy(4096);
    const pages = Array.from({ length: 1000 }, () => buddy.allocate(0, 0, 1));
    const outside = () => [...Array(11).keys()].reduce((sum, order) => sum + buddy.freeBlocks(order) * 2 ** order, 0);
    // Batches of 63 were taken: what is left of the last one is on the list.
    expect(buddy.freeFrames - outside()).toBe(1008 - 1000);
    for (const page of pages) {
      buddy.free(0, page, 0);
      expect(buddy.freeFrames - outside()).toBeLessThan(378);
    }
    expect(buddy.freeOrderOf(pages[0]!)).toBeGreaterThanOrEqual(0);
    expect(buddy.freeOrderOf(pages.at(-1)!)).toBe(-1);
    buddy.drain();
    expect(outside()).toBe(4096);
  });

  it('gives the very frames that lists of blocks written as arrays would give', () => {
    // Orders that are not kept per processor, so that every request reaches the lists.
    const order = fc.constantFrom(4, 5, 6, 7, 8, 10);
    const step = fc.record({ order, type: fc.nat(2), victim: fc.nat(), frees: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 9000 }), fc.array(step, { maxLength: 400 }), (frames, steps) => {
        const buddy = createLinuxBuddy(frames);
        const naive = createNaiveBuddy(frames);
        const held: { frame: number; order: number }[] = [];
        for (const { order, type, victim, frees } of steps)
          if (frees && held.length > 0) {
            const [block] = held.splice(victim % held.length, 1);
            buddy.free(0, block!.frame, block!.order);
            naive.free(block!.frame, block!.order);
          } else {
            const frame = buddy.allocate(0, order, type);
            expect(frame).toBe(naive.allocate(order, type));
            if (frame >= 0) held.push({ frame, order });
          }
        for (let order = 0; order <= 10; order++)
          for (const type of [0, 1, 2]) expect(buddy.listLength(order, type)).toBe(naive.lists(type, order).length);
      }),
      { numRuns: 200 },
    );
  });
});

/** The rules of Linux 6.1 on plain arrays: the first of a list is the next to be taken. */
function createNaiveBuddy(frames: number) {
  const all = new Map<string, number[]>();
  const lists = (type: number, order: number) => {
    const key = `${type},${order}`;
    if (!all.has(key)) all.set(key, []);
    return all.get(key)!;
  };
  const pageblocks = new Map<number, number>();
  const taken = new Map<number, number>();
  const typeOf = (frame: number) => pageblocks.get(Math.floor(frame / 512)) ?? 1;
  const orders = Array.from({ length: 11 }, (_, order) => order);
  const find = (frame: number, order: number) => [0, 1, 2].find((type) => lists(type, order).includes(frame));
  const takeOut = (frame: number, order: number) => {
    const list = lists(find(frame, order)!, order);
    list.splice(list.indexOf(frame), 1);
  };
  for (const order of [...orders].reverse())
    for (let frame = 0; frame + 2 ** order <= frames; frame += 2 ** order)
      if (!orders.some((o) => o > order && frame - (frame % 2 ** o) + 2 ** o <= frames)) lists(1, order).push(frame);

  function smallest(order: number, type: number): number {
    const from = orders.find((o) => o >= order && lists(type, o).length > 0);
    if (from === undefined) return -1;
    const frame = lists(type, from).shift()!;
    for (let half = from - 1; half >= order; half--) lists(type, half).unshift(frame + 2 ** half);
    return frame;
  }

  function steal(order: number, type: number): void {
    const others = { 0: [2, 1], 1: [2, 0], 2: [0, 1] }[type]!;
    const inOthers = (o: number) => others.map((other) => lists(other, o)[0]).find((frame) => frame !== undefined);
    const found = orders.filter((o) => o >= order && inOthers(o) !== undefined);
    if (found.length === 0) return;
    const whole = found.at(-1)! >= 4 || type !== 1;
    const size = whole ? found.at(-1)! : found[0]!;
    const frame = inOthers(size)!;
    const block = Math.floor(frame / 512);
    const moveTo = (at: number, o: number) => {
      takeOut(at, o);
      lists(type, o).push(at);
    };
    if (size >= 9) for (let at = block; at < block + 2 ** (size - 9); at++) pageblocks.set(at, type);
    if (size >= 9 || !whole || (block + 1) * 512 > frames) {
      moveTo(frame, size);
      return;
    }
    const before = typeOf(frame);
    let free = 0;
    const kinds = [0, 0, 0];
    for (let at = block * 512; at < (block + 1) * 512; ) {
      const o = orders.find((each) => find(at, each) !== undefined);
      if (o === undefined) kinds[taken.get(at)!]!++;
      else {
        moveTo(at, o);
        free += 2 ** o;
      }
      at += o === undefined ? 1 : 2 ** o;
    }
    const alike = type === 1 ? kinds[1]! : before === 1 ? kinds[0]! + kinds[2]! : 0;
    if (free + alike >= 256) pageblocks.set(block, type);
  }

  return {
    lists,
    allocate(order: number, type: number): number {
      let frame = smallest(order, type);
      if (frame < 0) {
        steal(order, type);
        frame = smallest(order, type);
      }
      if (frame >= 0) for (let at = frame; at < frame + 2 ** order; at++) taken.set(at, type);
      return frame;
    },
    free(frame: number, order: number): void {
      const type = typeOf(frame);
      let [start, merged] = [frame, order];
      const buddyOf = () => (start % 2 ** (merged + 1) === 0 ? start + 2 ** merged : start - 2 ** merged);
      while (merged < 10 && find(buddyOf(), merged) !== undefined) {
        const buddy = buddyOf();
        takeOut(buddy, merged);
        start = Math.min(start, buddy);
        merged++;
      }
      const parent = start - (start % 2 ** (merged + 1));
      const uncle = parent % 2 ** (merged + 2) === 0 ? parent + 2 ** (merged + 1) : parent - 2 ** (merged + 1);
      if (merged < 9 && find(uncle, merged + 1) !== undefined) lists(type, merged).push(start);
      else lists(type, merged).unshift(start);
    },
  };
}
