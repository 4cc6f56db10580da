import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../machine/index.ts';
import { lowestFreeRun, runMask } from './bit-search.ts';
import {
  attachHost,
  attachLLFree,
  createExclusive,
  createShared,
  type LLFree,
  llfreeVersions,
  outOfMemory,
} from './index.ts';
import { bufferOf } from './llfree.ts';

/** The obviously right one: a list of runs. */
class NaiveFrames {
  readonly runs = new Map<number, number>();
  private readonly taken: Uint8Array;

  constructor(frames: number) {
    this.taken = new Uint8Array(frames);
  }

  isFree(frame: number, order: number): boolean {
    const count = 2 ** order;
    return frame + count <= this.taken.length && this.taken.subarray(frame, frame + count).every((one) => one === 0);
  }

  hasRun(order: number): boolean {
    for (let frame = 0; frame < this.taken.length; frame += 2 ** order) if (this.isFree(frame, order)) return true;
    return false;
  }

  take(frame: number, order: number): void {
    this.taken.fill(1, frame, frame + 2 ** order);
    this.runs.set(frame, order);
  }

  give(frame: number, order: number): void {
    this.taken.fill(0, frame, frame + 2 ** order);
    this.runs.delete(frame);
  }

  free(): number {
    return this.taken.reduce((sum, one) => sum + 1 - one, 0);
  }
}

const backEnds = { exclusive: createExclusive, shared: createShared };

describe.each(llfreeVersions)('LLFree %s', (version) => {
  describe.each(Object.keys(backEnds) as (keyof typeof backEnds)[])('%s', (backEnd) => {
    const create = (frames: number, cores: number) => backEnds[backEnd]({ frames, cores, version });

    test('H1: until exhaustion every frame comes exactly once, and everything can be given back', () => {
      const allocator = create(65_536, 1);
      const frames: number[] = [];
      for (let frame = allocator.get(0, 0); frame !== outOfMemory; frame = allocator.get(0, 0)) frames.push(frame);
      expect(frames).toHaveLength(65_536);
      expect(new Set(frames).size).toBe(65_536);
      expect(allocator.freeFrames()).toBe(0);
      for (const frame of frames.reverse()) allocator.put(0, frame, 0);
      expect(allocator.freeFrames()).toBe(65_536);
      expect(allocator.freeHugeFrames()).toBe(128);
      allocator.validate();
    });

    test('H7: with every second frame of a tree free, a huge frame comes from the other tree', () => {
      const allocator = create(8192, 1);
      const frames = Array.from({ length: 4096 }, () => allocator.get(0, 0));
      for (let i = 0; i < frames.length; i += 2) allocator.put(0, frames[i] as number, 0);
      expect(allocator.get(0, 9)).toBe(version === 'ae' ? 4096 : 0);
      allocator.validate();
    });

    test('any operations keep allocations apart, aligned and inside, and only real exhaustion fails', () => {
      const step = fc.record({
        put: fc.boolean(),
        core: fc.nat(2),
        order: fc.nat(10),
        movable: fc.boolean(),
        pick: fc.nat(),
      });
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 20_000 }),
          fc.array(step, { minLength: 1, maxLength: 150 }),
          (frames, steps) => {
            const allocator = create(frames, 3);
            const naive = new NaiveFrames(frames);
            for (const { put, core, order, movable, pick } of steps)
              if (put) putOne(allocator, naive, core, movable, pick);
              else getOne(allocator, naive, core, order, movable);
            expect(allocator.violations()).toEqual([]);
            expect(allocator.freeFrames()).toBe(naive.free());
          },
        ),
        { numRuns: 40, seed: 1 },
      );
    });

    test('under pressure, with small frames freed out of large ones, no frame is lost', () => {
      const random = createRandom(11);
      const allocator = create(3 * 4096 - 100, 2);
      const naive = new NaiveFrames(allocator.frames);
      for (let i = 0; i < 4000; i++) {
        const core = random.below(2);
        if (random.below(5) < 3) getOne(allocator, naive, core, random.below(11), random.below(2) === 1);
        else if (random.below(4) === 0) putPart(allocator, naive, core, random.below(1000));
        else putOne(allocator, naive, core, random.below(2) === 1, random.below(1000));
        if (i % 500 === 0) expect(allocator.violations()).toEqual([]);
      }
      for (const [frame, order] of [...naive.runs]) {
        allocator.put(0, frame, order);
        naive.give(frame, order);
      }
      allocator.validate();
      expect(allocator.freeFrames()).toBe(allocator.frames);
    });

    test('a run that cannot be completed leaves what it had begun to take as it was', () => {
      const allocator = create(8192, 1);
      expect(allocator.getAt(512, 9)).toBe(true);
      for (let frame = 0; frame !== outOfMemory; frame = allocator.get(0, 10));
      expect(allocator.getAt(512, 9)).toBe(false);
      expect(allocator.getAt(0, 9)).toBe(true);
      allocator.validate();
    });

    test('a fixed position is given once', () => {
      const allocator = create(8192, 1);
      const frame = allocator.get(0, 3);
      expect(allocator.getAt(frame, 3)).toBe(false);
      expect(allocator.getAt(frame + 8, 3)).toBe(true);
      expect(allocator.getAt(frame + 8, 0)).toBe(false);
      allocator.validate();
    });

    test('giving back what is not taken changes nothing and says so', () => {
      const allocator = create(4096, 1);
      const frame = allocator.get(0, 2);
      allocator.put(0, frame, 2);
      expect(() => allocator.put(0, frame, 2)).toThrow(/is given back but is not taken/);
      expect(() => allocator.put(0, 0, 9)).toThrow(/taken as a huge frame/);
      expect(() => allocator.put(0, 128, 7)).toThrow(/is not taken/);
      expect(allocator.freeFrames()).toBe(4096);
      allocator.validate();
    });

    test('after drain another core finds the frames', () => {
      const allocator = create(4096, 2);
      allocator.get(0, 0);
      allocator.drain(0);
      allocator.validate();
      expect(allocator.get(1, 0)).not.toBe(outOfMemory);
    });

    test('a state that a crash left behind is found inconsistent, and recovered', () => {
      const allocator = create(10_000, 2);
      const words = new Int32Array(bufferOf(allocator.memory));
      const frame = allocator.get(0, 0);
      const huge = allocator.get(1, 9);
      const bitsBegin = 16;
      words[bitsBegin + 4096 / 32]! |= 1 << 5;
      words[bitsBegin + huge / 32]! |= -1;
      expect(allocator.violations().length).toBeGreaterThan(0);
      expect(() => allocator.validate()).toThrow(/inconsistent/);
      allocator.recover();
      allocator.validate();
      expect(allocator.freeFrames()).toBe(10_000 - 512 - 2);
      allocator.put(0, frame, 0);
      allocator.put(0, huge, 9);
      allocator.put(0, 4096 + 5, 0);
      expect(allocator.freeFrames()).toBe(10_000);
    });

    test('another view attaches to the same state', () => {
      const allocator = create(5000, 2);
      const frame = allocator.get(0, 4);
      const view = attachLLFree(allocator.memory);
      expect([view.frames, view.cores, view.version, view.isTaken(frame)]).toEqual([5000, 2, version, true]);
      view.put(1, frame, 4);
      expect(allocator.freeFrames()).toBe(5000);
    });

    test.each([
      [(a: LLFree) => a.get(2, 0), /no such core/],
      [(a: LLFree) => a.get(0, 11), /no such order/],
      [(a: LLFree) => a.get(0, 0.5), /no such order/],
      [(a: LLFree) => a.put(0, 3, 1), /a multiple of 2/],
      [(a: LLFree) => a.put(0, 5000, 0), /from 0 to 4999/],
      [() => create(0, 1), /number of frames/],
      [() => create(4096, 0), /number of cores/],
      [() => attachLLFree(new ArrayBuffer(4096)), /holds no allocator/],
    ])('misuse %# gets a sentence', (use, sentence) => {
      expect(() => use(create(5000, 2))).toThrow(sentence);
    });
  });
});

test('H5: the lowest aligned free run of a row', () => {
  expect(lowestFreeRun(0x10f, 2)).toBe(4);
  expect(0x10f | (runMask(2) << 4)).toBe(0x1ff);
  expect(lowestFreeRun(0xff00ff0f | 0, 5)).toBe(-1);
  expect(lowestFreeRun(0, 5)).toBe(0);
  expect(lowestFreeRun(0x7fffffff, 0)).toBe(31);
  expect(lowestFreeRun(-1, 0)).toBe(-1);
});

test('H5: the same in rows of 64 bits, as an allocator of one row finds them', () => {
  const found = (taken: (bit: number) => boolean, order: number) => {
    const row = createExclusive({ frames: 64, cores: 1, version: 'ae' });
    for (let bit = 0; bit < 64; bit++) if (taken(bit)) expect(row.getAt(bit, 0)).toBe(true);
    return row.get(0, order);
  };
  const bits = (value: bigint) => (bit: number) => ((value >> BigInt(bit)) & 1n) === 1n;
  expect(found(bits(0x10fn), 2)).toBe(4);
  expect(found(bits(0xff00_ff0fn), 5)).toBe(32);
  expect(found(bits(0x7fff_ffff_ffff_ffffn), 0)).toBe(63);
  expect(found(() => true, 0)).toBe(outOfMemory);
  expect(found(bits(1n), 6)).toBe(outOfMemory);
  expect(found(() => false, 6)).toBe(0);
});

describe('defects of the originals that are not inherited', () => {
  const takeAll = (allocator: LLFree, order: number, movable: boolean) => {
    const frames: number[] = [];
    for (let frame = allocator.get(0, order, movable); frame >= 0; frame = allocator.get(0, order, movable))
      frames.push(frame);
    return frames;
  };

  test('D4: head tries the tree that suits best first, not the one that suits worst', () => {
    const allocator = createExclusive({ frames: 4 * 4096, cores: 1, version: 'head' });
    const frames = Array.from({ length: 4096 - 32 }, () => allocator.get(0, 0));
    const nearlyFull = (frames[0] as number) >> 12;
    expect(new Set(frames.map((frame) => frame >> 12))).toEqual(new Set([nearlyFull]));
    expect(allocator.get(0, 6) >> 12).not.toBe(nearlyFull);
    allocator.drain(0);
    expect(allocator.get(0, 0) >> 12).toBe(nearlyFull);
  });

  test.each(llfreeVersions)('D5: an exact fit that another core freed is found (%s)', (version) => {
    const allocator = createExclusive({ frames: 4096, cores: 2, version });
    const [first] = takeAll(allocator, 3, false);
    allocator.put(1, first as number, 3);
    expect(allocator.get(0, 3)).toBe(first);
    allocator.validate();
  });

  test.each(llfreeVersions)(
    'D6: what was freed into a reserved tree is taken without losing the reservation (%s)',
    (version) => {
      const allocator = createExclusive({ frames: 4096, cores: 2, version });
      const frames = takeAll(allocator, 8, true);
      for (const frame of frames) if (frame >> 9 === 3) allocator.put(1, frame, 8, false);
      expect(allocator.get(1, 9)).toBe(3 * 512);
      allocator.validate();
      expect(allocator.get(0, 0, true)).toBe(outOfMemory);
    },
  );
});

test('a host leaves reserved trees alone, and a reclaim that finds no huge frame takes nothing', () => {
  const allocator = createExclusive({ frames: 4096, cores: 1, version: 'ae' });
  const host = attachHost(allocator.memory);
  const frames = [allocator.get(0, 0)];
  expect(host.reclaimHard()).toBeUndefined();
  // Also not what was freed into one since.
  const freed = Array.from({ length: 1023 }, () => allocator.get(0, 0)).filter((frame) => frame >> 9 === 1);
  for (const frame of freed) allocator.put(0, frame, 0);
  expect([freed.length, host.reclaimHard()]).toEqual([512, undefined]);
  while (frames.at(-1) !== outOfMemory) frames.push(allocator.get(0, 0));
  for (let frame = 0; frame < 4096; frame += 4) allocator.put(0, frame, 0);
  allocator.drain(0);
  expect(host.reclaimHard()).toBeUndefined();
  allocator.validate();
  expect(allocator.freeFrames()).toBe(1024);
});

test.each(llfreeVersions)(
  'a fixed position in a full tree is refused without touching another reservation (%s)',
  (version) => {
    const allocator = createExclusive({ frames: 8192, cores: 1, version });
    const other = allocator.get(0, 0) >> 12 === 0 ? 4096 : 0;
    for (let child = 0; child < 8; child++) expect(allocator.getAt(other + child * 512, 9)).toBe(true);
    expect(allocator.getAt(other, 0)).toBe(false);
    allocator.validate();
  },
);

test('the bit search equals trying every position', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer(), fc.nat(5), (a, b, order) => {
      const word = a & b;
      let expected = -1;
      for (let bit = 32 - 2 ** order; bit >= 0; bit -= 2 ** order)
        if ((word & (runMask(order) << bit)) === 0) expected = bit;
      expect(lowestFreeRun(word, order)).toBe(expected);
    }),
  );
});

function getOne(allocator: LLFree, naive: NaiveFrames, core: number, order: number, movable: boolean): void {
  const frame = allocator.get(core, order, movable);
  if (frame === outOfMemory) {
    expect(naive.hasRun(order)).toBe(false);
    return;
  }
  expect(frame % 2 ** order).toBe(0);
  expect(naive.isFree(frame, order)).toBe(true);
  naive.take(frame, order);
}

function putOne(allocator: LLFree, naive: NaiveFrames, core: number, movable: boolean, pick: number): void {
  const run = [...naive.runs][pick % Math.max(naive.runs.size, 1)];
  if (!run) return;
  allocator.put(core, run[0], run[1], movable);
  naive.give(...run);
}

/** Gives back the first half of an allocation; the second stays one of its own. */
function putPart(allocator: LLFree, naive: NaiveFrames, core: number, pick: number): void {
  const run = [...naive.runs].filter(([, order]) => order > 0)[pick % Math.max(naive.runs.size, 1)];
  if (!run) return;
  const [frame, order] = run;
  allocator.put(core, frame, order - 1);
  naive.give(frame, order);
  naive.take(frame + 2 ** (order - 1), order - 1);
}
