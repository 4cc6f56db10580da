import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../machine/index.ts';
import type { FastPath } from './fast-path.ts';
import {
  attachLLFree,
  createExclusive,
  createShared,
  LLFree,
  type LLFreeOptions,
  llfreeVersions,
  outOfMemory,
} from './index.ts';
import { layoutOf } from './layout.ts';
import { bufferOf } from './llfree.ts';
import { ExclusiveWords } from './words.ts';

const noQuickRoad: FastPath = { get: () => -1, put: () => false };

/** The allocator proper, which every quick road must be indistinguishable from. */
function withoutQuickRoad({ frames, cores, version }: LLFreeOptions): LLFree {
  const layout = layoutOf(frames, cores);
  const words = new Int32Array(layout.words);
  const allocator = new LLFree(words.buffer, new ExclusiveWords(words), layout, version, noQuickRoad);
  allocator.clear();
  return allocator;
}

/** Atomics without WebAssembly: a plain shared buffer. */
function onPlainSharedBuffer(options: LLFreeOptions): LLFree {
  const { memory } = createExclusive(options);
  const words = new Int32Array(bufferOf(memory));
  const shared = new Int32Array(new SharedArrayBuffer(words.byteLength));
  shared.set(words);
  return attachLLFree(shared.buffer);
}

const roads = {
  'printed for one thread': createExclusive,
  'in WebAssembly': createShared,
  'through Atomics': onPlainSharedBuffer,
};

const stateOf = (allocator: LLFree, words: number) => new Int32Array(bufferOf(allocator.memory), 0, words);

describe.each(llfreeVersions)('LLFree %s', (version) => {
  describe.each(Object.entries(roads))('%s', (_name, create) => {
    test.each([
      { frames: 512, cores: 1 },
      { frames: 3 * 4096 + 700, cores: 2 },
      { frames: 40 * 4096, cores: 3 },
    ])('returns the frames and leaves the words of the allocator proper ($frames frames, $cores cores)', (sizes) => {
      const options = { ...sizes, version };
      const quick = create(options);
      const proper = withoutQuickRoad(options);
      const random = createRandom(17);
      const held: { frame: number; order: number; movable: boolean }[] = [];
      let taken = 0;
      let refused = 0;
      for (let i = 0; i < 30_000; i++) {
        // Fills up, empties, fills up again, so that trees and reservations run out and become free.
        const filling = Math.floor(i / 6000) % 2 === 0;
        const core = random.below(options.cores);
        if (held.length === 0 || random.below(10) < (filling ? 7 : 3)) {
          const order = random.below(20) === 0 ? random.below(11) : 0;
          const movable = random.below(3) === 0;
          const frame = proper.get(core, order, movable);
          const found = quick.get(core, order, movable);
          if (found !== frame) expect.fail(`operation ${i}: frame ${found} instead of ${frame}`);
          if (frame === outOfMemory) refused++;
          else {
            taken++;
            held.push({ frame, order, movable });
          }
        } else {
          const [{ frame, order, movable }] = held.splice(random.below(held.length), 1) as [(typeof held)[0]];
          proper.put(core, frame, order, movable);
          quick.put(core, frame, order, movable);
        }
      }
      const { words } = layoutOf(options.frames, options.cores);
      expect(stateOf(quick, words)).toEqual(stateOf(proper, words));
      quick.validate();
      expect(taken).toBeGreaterThan(500);
      if (options.frames === 512) expect(refused).toBeGreaterThan(0);
    });

    test('refuses a second free, a frame, a core and an order that do not exist, and changes nothing', () => {
      const allocator = create({ frames: 4096, cores: 1, version });
      const frame = allocator.get(0, 0);
      allocator.put(0, frame, 0);
      const { words } = layoutOf(4096, 1);
      const before = stateOf(allocator, words).slice();
      expect(() => allocator.put(0, frame, 0)).toThrow(/is not taken/);
      for (const bad of [-1, 4096, 0.5, Number.NaN, 2 ** 32])
        expect(() => allocator.put(0, bad, 0)).toThrow(/no such run/);
      for (const bad of [-1, 1, 0.5, Number.NaN, 2 ** 32]) {
        expect(() => allocator.get(bad, 0)).toThrow(/no such core/);
        expect(() => allocator.put(bad, frame, 0)).toThrow(/no such core/);
      }
      for (const bad of [-1, 11, 0.5]) expect(() => allocator.get(0, bad)).toThrow(/no such order/);
      expect(stateOf(allocator, words)).toEqual(before);
    });
  });
});

test('the WebAssembly code is what its text gives', () => {
  const script = fileURLToPath(new URL('../../../../scripts/wasm.mjs', import.meta.url));
  expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
});
