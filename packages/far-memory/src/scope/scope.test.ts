import { describe, expect, it } from 'vitest';
import { FarMemoryFullError, FarUsageError, f64, type Location, MISS, struct, u32 } from '../index.ts';
import { churnOf, nextTurn, openSmall, randomOf, unreliable } from '../testing/small-memory.case.ts';

const Point = struct({ x: f64, n: u32 });

describe('a scope', () => {
  it('keeps every place it obtained, across awaits and evacuation, nested and overlapping', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    const handles = Array.from({ length: 30 }, () => far.alloc(64));
    for (const handle of handles) far.views.u32[far.tryMut(handle)] = handle + 1;
    await churn();
    const places: Location[] = [];
    const outer = far.open();
    for (const handle of handles.slice(0, 3)) places.push(await outer.get(handle));
    const inner = far.open();
    places.push(await inner.get(handles[0]!));
    await churn();
    outer.close();
    await churn();
    // The inner scope still pins the segment of the object that both hold.
    expect(far.views.u32[places[3]!]).toBe(handles[0]! + 1);
    expect(places[3]).toBe(places[0]);
    inner.close();
    await churn();
    await churn();
    expect(far.tryGet(handles[0]!)).not.toBe(places[0]);
    expect(far.stats().segments.every(({ pins }) => pins === 0)).toBe(true);
  });

  it('keeps what is written through it, even past a write-back in between', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    const handle = far.alloc(64);
    await far.scope(async (scope) => {
      const at = await scope.mut(handle);
      far.views.u32[at] = 1;
      await far.flush();
      far.views.u32[at] = 2;
      await churn();
      far.views.u32[at] = 3;
    });
    await churn();
    expect(far.views.u32[await far.get(handle)]).toBe(3);
  });

  it('ends with its work, also when that throws', async () => {
    const far = await openSmall();
    const handle = far.alloc(64);
    expect(far.scope((scope) => scope.tryMut(handle))).toBeGreaterThan(0);
    expect(() =>
      far.scope((scope) => {
        scope.tryGet(handle);
        throw new Error('work');
      }),
    ).toThrow('work');
    await expect(
      far.scope(async (scope) => {
        await scope.get(handle);
        throw new Error('later');
      }),
    ).rejects.toThrow('later');
    expect(far.stats().segments.every(({ pins }) => pins === 0)).toBe(true);
  });

  it('hands out bytes with far.pinned', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    const [a, b] = [far.alloc(16), far.alloc(16)];
    await far.pinned(
      [a, b],
      async (bytesOfA, bytesOfB) => {
        bytesOfA!.fill(1);
        await churn();
        bytesOfB!.fill(2);
      },
      { write: true },
    );
    await churn();
    const sum = await far.pinned([a, b], (bytesOfA, bytesOfB) => bytesOfA![15]! + bytesOfB![0]!);
    expect(sum).toBe(3);
  });

  it.each(['owner', 'worker'] as const)(
    'holds its places against an evacuation that is under way (%s)',
    async (copier) => {
      const store = unreliable({ seed: 8, delayMs: 2 });
      const far = await openSmall({ localBytes: 32 * 4096, store, evacuation: { copier } });
      const handles = Array.from({ length: 1500 }, () => far.alloc(120));
      const expected = new Uint32Array(handles.length);
      const { u32: memory } = far.views;
      let wrong = 0;
      let isOver = false;
      // Objects stay where they are pinned: whoever writes them meanwhile writes there.
      const pinning = async (seed: number) => {
        const random = randomOf(seed);
        for (let round = 0; round < 120; round++) {
          const index = random(handles.length);
          const hot = far.tryGet(handles[index]!);
          if (hot !== MISS) far.tryGet(handles[index]!);
          await far.scope(async (scope) => {
            const at = await scope.get(handles[index]!);
            for (let turn = 0; turn < 6; turn++) {
              if (memory[at] !== expected[index] || far.tryGet(handles[index]!) !== at) wrong++;
              await nextTurn();
            }
          });
        }
      };
      const writing = async (seed: number) => {
        const random = randomOf(seed);
        while (!isOver) {
          const index = random(handles.length);
          const handle = handles[index]!;
          const now = far.tryMut(handle);
          const at = now === MISS ? await far.mut(handle) : now;
          memory[at] = ++expected[index]!;
          if (random(4) === 0) await nextTurn();
        }
      };
      const writers = Promise.all([21, 22, 23, 24].map(writing));
      await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(pinning));
      isOver = true;
      await writers;
      expect(wrong).toBe(0);
      expect(Math.min(far.stats().dirtyWritten, far.stats().evacuated)).toBeGreaterThan(20);
    },
  );

  it('that is opened while the worker copies its objects makes the copies void', async () => {
    const far = await openSmall({ localBytes: 64 * 4096, evacuation: { copier: 'worker' } });
    const handles = Array.from({ length: 2400 }, () => far.alloc(120));
    const isEvacuating = () => far.stats().segments.some(({ state }) => state === 'evacuating');
    let caught = 0;
    let moved = 0;
    for (let round = 0; round < 40; round++) {
      // Hot objects, so that they are copied; then a turn in which the copies are under way.
      for (let turn = 0; turn < 50 && !isEvacuating(); turn++) {
        for (const handle of handles.slice(0, 1200)) if (far.tryMut(handle) !== MISS) far.tryMut(handle);
        for (let count = 0; count < 40; count++)
          await far.mut(handles[(round * 37 + turn * 40 + count) % handles.length]!);
        await nextTurn();
      }
      if (isEvacuating()) caught++;
      const scope = far.open();
      const places = handles.map((handle) => scope.tryGet(handle));
      await new Promise((resolve) => setTimeout(resolve, 3));
      for (const [index, place] of places.entries())
        if (place !== MISS && far.tryGet(handles[index]!) !== place) moved++;
      scope.close();
    }
    expect(moved).toBe(0);
    expect(caught).toBeGreaterThan(5);
  });

  it('that pins everything makes others fail with FarMemoryFullError, never the process', async () => {
    const far = await openSmall({ fullTimeoutMs: 100 });
    const handles = Array.from({ length: 80 }, () => far.alloc(1000));
    const scope = far.open();
    const fill = async () => {
      for (const handle of handles) await scope.get(handle);
    };
    await expect(fill()).rejects.toThrow(FarMemoryFullError);
    await expect(far.get(handles[79]!)).rejects.toThrow(/segments are pinned/);
    scope.close();
    await far.get(handles[79]!);
  });
});

describe('debug mode', () => {
  it('catches a cursor that is used after its object was moved or evicted', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    const points = far.vector(Point, { chunkBytes: 64 });
    await points.push([{ x: 1, n: 1 }]);
    const stale = await points.at(0);
    expect(stale.x).toBe(1);
    await churn();
    expect(() => stale.x).toThrow(FarUsageError);
    expect(() => stale.toObject()).toThrow(/used after its object had been moved, evicted or freed/);
  });

  it('catches a write through a cursor whose object was written back since', async () => {
    const far = await openSmall();
    const points = far.vector(Point, { chunkBytes: 64 });
    await points.push([{ x: 1, n: 1 }]);
    const cursor = await points.mut(0);
    cursor.x = 2;
    await far.flush();
    expect(cursor.x).toBe(2);
    expect(() => {
      cursor.x = 3;
    }).toThrow(/would be lost/);
  });

  it('poisons bytes that were freed or moved', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    const handle = far.alloc(64);
    const at = far.tryMut(handle);
    far.views.u32[at] = 42;
    far.free(handle);
    expect(far.views.u32[at]).toBe(0xdbdbdbdb);
    const moved = far.alloc(64);
    const before = far.tryMut(moved);
    far.views.u32.fill(7, before, before + 16);
    await churn();
    expect(far.views.u32[before]).not.toBe(7);
    expect(far.views.u32[await far.get(moved)]).toBe(7);
  });

  it('poisons what was freed under a pin when the pin ends, and not before', async () => {
    const far = await openSmall();
    const scope = far.open();
    const handle = far.alloc(4000);
    const at = await scope.mut(handle);
    far.views.u32[at] = 42;
    far.free(handle);
    expect(far.views.u32[at]).toBe(42);
    // Closes the segment, which nothing but the pin holds any more.
    await far.mut(far.alloc(4000));
    expect(far.views.u32[at]).toBe(42);
    scope.close();
    expect(far.views.u32[at]).toBe(0xdbdbdbdb);
  });

  it('lets a pinned cursor be used across awaits', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    const points = far.vector(Point, { chunkBytes: 64 });
    await points.push([
      { x: 1, n: 1 },
      { x: 2, n: 2 },
    ]);
    const sum = await points.pinned([0, 1], async (a, b) => {
      await churn();
      return a.x + b.x;
    });
    expect(sum).toBe(3);
    for await (const chunk of points.chunks()) {
      await churn();
      expect(chunk.at(0).n).toBe(1);
    }
    for await (const chunk of points.chunks({ nt: true })) {
      await nextTurn();
      expect(chunk.at(1).n).toBe(2);
    }
  });
});

describe('reclaimSync', () => {
  it('leaves what a scope pins where it is', async () => {
    const far = await openSmall();
    const handles = Array.from({ length: 20 }, () => far.alloc(1000));
    for (const [index, handle] of handles.entries()) far.views.u32[await far.mut(handle)] = index;
    const scope = far.open();
    const places = handles.map((handle) => scope.tryGet(handle));
    expect(places.filter((place) => place !== MISS).length).toBeGreaterThan(8);
    for (let round = 0; round < 8; round++) far.reclaimSync();
    for (const [index, place] of places.entries())
      if (place !== MISS) expect([far.tryGet(handles[index]!), far.views.u32[place]]).toEqual([place, index]);
    scope.close();
  });
});
