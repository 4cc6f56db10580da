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
});
