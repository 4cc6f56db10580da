import { describe, expect, test, vi } from 'vitest';
import { attachHost, HostView } from './host-view.ts';
import { attachLLFree, createExclusive, LLFree, type LLFreeVersion, llfreeVersions } from './index.ts';
import { everyInterleaving, type VirtualThread } from './interleavings.case.ts';
import { layoutOf } from './layout.ts';
import { bufferOf } from './llfree.ts';

// Each state is visited once, but there are many of them on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const huge = 512;

/** An allocator of `frames` frames brought into a state, and threads that use it at once. */
function explore(
  version: LLFreeVersion,
  frames: number,
  prepare: (allocator: LLFree) => void,
  threads: readonly ((allocator: LLFree, host: () => HostView) => unknown)[],
  check: (allocator: LLFree, results: readonly unknown[]) => void,
) {
  const cores = 2;
  const allocator = createExclusive({ frames, cores, version });
  prepare(allocator);
  const layout = layoutOf(frames, cores);
  const virtual = threads.map(
    (thread): VirtualThread =>
      (words) =>
        thread(new LLFree(allocator.memory, words, layout, version), () => new HostView(words, layout)),
  );
  return everyInterleaving(new Int32Array(bufferOf(allocator.memory)), virtual, (memory, results) => {
    const end = attachLLFree(memory.buffer);
    expect(end.violations()).toEqual([]);
    check(end, results);
  });
}

describe('host and guest at once', () => {
  // One tree of two huge frames. Drained, so that the host may look into it.
  const fresh = (allocator: LLFree) => allocator.drain(0);

  test('a huge frame is either taken by the guest or reclaimed hard, never both', () => {
    const { states } = explore(
      'ae',
      2 * huge,
      (allocator) => {
        expect(allocator.getAt(0, 9)).toBe(true);
        fresh(allocator);
      },
      [(guest) => guest.get(0, 9), (_guest, host) => host().reclaimHard()?.frame ?? -1],
      (end, [taken, reclaimed]) => {
        expect([taken, reclaimed].filter((frame) => frame === huge)).toHaveLength(1);
        expect(end.hugeFrame(1)).toMatchObject({ huge: true, evicted: reclaimed === huge });
      },
    );
    expect(states).toBeGreaterThan(50);
  });

  test('a frame that the guest holds is evicted only if the guest is told to have it installed', () => {
    const { states } = explore(
      'ae',
      2 * huge,
      fresh,
      [
        (guest, host) => {
          const frame = guest.get(0, 0);
          const told = guest.needsInstall(frame, 0);
          if (told) host().install(frame);
          return { frame, told };
        },
        (_guest, host) => [host().reclaimSoft()?.frame ?? -1, host().reclaimSoft()?.frame ?? -1],
      ],
      (end, [taken]) => {
        const { frame } = taken as { frame: number };
        expect(frame).toBeGreaterThanOrEqual(0);
        expect(end.hugeFrame(Math.floor(frame / huge)).evicted).toBe(false);
      },
    );
    expect(states).toBeGreaterThan(100);
  });

  test('a frame is installed once when two cores ask for it', () => {
    explore(
      'ae',
      huge,
      (allocator) => {
        attachHost(allocator.memory).reclaimSoft();
        fresh(allocator);
      },
      [(_guest, host) => host().install(0), (_guest, host) => host().install(0)],
      (_end, results) => expect(results.filter((installed) => installed === true)).toHaveLength(1),
    );
  });

  test('growing while the guest frees and shrinking goes on loses no frame', () => {
    explore(
      'ae',
      2 * huge,
      (allocator) => {
        allocator.drain(0);
        attachHost(allocator.memory).reclaimHard();
        expect(allocator.getAt(huge, 9)).toBe(true);
      },
      [
        (_guest, host) => host().returnFrame(0),
        (guest) => guest.put(0, huge, 9),
        (_guest, host) => host().reclaimHard()?.frame ?? -1,
      ],
      (end, [, , reclaimed]) => expect(end.freeHugeFrames()).toBe(reclaimed === -1 ? 2 : 1),
    );
  });
});

describe.each(llfreeVersions)('two cores of %s at once', (version) => {
  test('get different frames from one tree', () => {
    explore(
      version,
      huge,
      (allocator) => allocator.drain(0),
      [(guest) => guest.get(0, 0), (guest) => guest.get(1, 0)],
      (end, [one, other]) => {
        expect(one).not.toBe(other);
        expect(end.freeFrames()).toBe(huge - [one, other].filter((frame) => frame !== -1).length);
      },
    );
  });

  test('free parts of one huge frame: it is split once', () => {
    const { ends } = explore(
      version,
      huge,
      (allocator) => expect(allocator.getAt(0, 9)).toBe(true),
      [(guest) => guest.put(0, 0, 5), (guest) => guest.put(1, 32, 0)],
      (end) => expect(end.freeFrames()).toBe(33),
    );
    expect(ends).toBeGreaterThan(0);
  });

  test('one frees where the other allocates', () => {
    explore(
      version,
      huge,
      (allocator) => {
        for (let i = 0; i < 3; i++) allocator.get(0, 7);
        expect(allocator.get(0, 7)).not.toBe(-1);
      },
      [(guest) => guest.put(0, 128, 7), (guest) => guest.get(1, 6)],
      (end, [, taken]) => expect(end.freeFrames()).toBe(taken === -1 ? 128 : 64),
    );
  });
});
