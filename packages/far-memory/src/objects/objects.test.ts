import { describe, expect, it } from 'vitest';
import {
  createLocalStore,
  FarMemory,
  FarMemoryFullError,
  FarObjectLostError,
  FarUsageError,
  MISS,
  u32,
} from '../index.ts';
import { churnOf, nextTurn, openSmall, unreliable } from '../testing/small-memory.case.ts';

describe('an object', () => {
  it('is all zeros at first and takes local memory only when touched', async () => {
    const far = await openSmall();
    const handles = Array.from({ length: 1000 }, () => far.alloc(1000));
    expect(far.stats().segments).toEqual([]);
    const at = far.tryGet(handles[999]!);
    expect([...far.views.u8.subarray(at * 4, at * 4 + 1000)].every((byte) => byte === 0)).toBe(true);
  });

  it('may be empty, and as large as a segment allows, and no larger', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    const empty = far.alloc(0);
    const largest = far.alloc(4096 - 16);
    const at = await far.mut(largest);
    far.views.u8[at * 4 + 4079] = 7;
    await churn();
    expect(await far.get(empty)).toBeGreaterThan(0);
    expect(far.views.u8[(await far.get(largest)) * 4 + 4079]).toBe(7);
    expect(() => far.alloc(4096 - 15)).toThrow(/4081 bytes does not fit a segment \(at most 4080 bytes\)/);
  });

  it('is kept once when it was touched twice, and goes when it was not', async () => {
    const far = await openSmall({ localBytes: 64 * 4096 });
    const [once, twice] = [far.alloc(64), far.alloc(64)];
    far.tryMut(once);
    far.tryMut(twice);
    far.tryGet(twice);
    const place = far.tryGet(twice);
    while (far.stats().cleanDropped === 0) {
      await far.mut(far.alloc(1000));
      await nextTurn();
    }
    expect(far.tryGet(once)).toBe(MISS);
    expect(far.tryGet(twice)).not.toBe(place);
    expect(far.tryGet(twice)).not.toBe(MISS);
    expect(far.stats().evacuated).toBe(1);
  });

  it('that comes by a miss is hot after one hit more', async () => {
    const far = await openSmall({ localBytes: 64 * 4096 });
    const handles = Array.from({ length: 12 }, () => far.alloc(1000));
    for (const handle of handles) far.tryMut(handle);
    const press = async (count: number) => {
      for (let done = 0; done < count; done++) {
        await far.mut(far.alloc(1000));
        if (done % 4 === 0) await nextTurn();
      }
    };
    await press(300);
    const before = far.stats().evacuated;
    for (const handle of handles) expect(far.tryGet(handle)).toBe(MISS);
    for (const handle of handles) await far.get(handle);
    for (const handle of handles.slice(6)) expect(far.tryGet(handle)).not.toBe(MISS);
    while (far.stats().evacuated < before + 6) await press(10);
    for (const handle of handles.slice(0, 6)) expect(far.tryGet(handle)).toBe(MISS);
    for (const handle of handles.slice(6)) expect(far.tryGet(handle)).not.toBe(MISS);
    expect(far.stats().evacuated).toBe(before + 6);
  });

  it('is named by its handle only until it is freed', async () => {
    const far = await openSmall();
    const handle = far.alloc(8);
    far.tryMut(handle);
    far.free(handle);
    expect(() => far.free(handle)).toThrow(FarUsageError);
    expect(() => far.tryGet(handle)).toThrow(/names no object/);
    await expect(far.get(handle)).rejects.toThrow(FarUsageError);
  });

  it('that is freed while it is being fetched does not come back', async () => {
    const far = await openSmall({ store: unreliable({ seed: 1, delayMs: 5 }) });
    const churn = churnOf(far);
    const handle = far.alloc(64);
    far.views.u32[far.tryMut(handle)] = 1;
    await churn();
    const coming = far.get(handle);
    far.free(handle);
    const successor = far.alloc(64);
    expect(successor).toBe(handle);
    await expect(coming).rejects.toThrow(/freed while it was being brought/);
    expect(far.views.u32[await far.get(successor)]).toBe(0);
  });

  it('whose handle is reused is another object to the far side', async () => {
    const far = await openSmall();
    const churn = churnOf(far);
    for (let life = 0; life < 50; life++) {
      const handle = far.alloc(64);
      const at = await far.mut(handle);
      expect(far.views.u32[at]).toBe(0);
      far.views.u32[at] = life + 1;
      if (life % 10 === 0) await churn();
      far.free(handle);
    }
    await nextTurn();
    expect(far.stats().objects).toBe(120);
    expect(far.stats().metadataBytes).toBe(121 * 16);
  });
});

describe('misses', () => {
  it('of one object share a read, and those of one turn are issued in it', async () => {
    const inner = createLocalStore();
    let reads = 0;
    const far = await openSmall({
      store: {
        ...inner,
        async read(...request) {
          reads++;
          await nextTurn();
          await inner.read(...request);
        },
      },
    });
    const churn = churnOf(far);
    const handles = Array.from({ length: 5 }, () => far.alloc(32));
    for (const handle of handles) far.views.u32[far.tryMut(handle)] = handle + 100;
    await churn();
    reads = 0;
    const coming = [...handles, ...handles].map((handle) => far.get(handle));
    expect(reads).toBe(5);
    const places = await Promise.all(coming);
    expect(places.slice(0, 5)).toEqual(places.slice(5));
    expect(far.stats().coalesced).toBe(5);
  });

  it('reject with the error of the store, and the next one tries again', async () => {
    const store = unreliable({ seed: 1 });
    const far = await openSmall({ store });
    const churn = churnOf(far);
    const handle = far.alloc(32);
    far.views.u32[far.tryMut(handle)] = 5;
    await churn();
    store.set({ readFailures: 1 });
    await expect(Promise.all([far.get(handle), far.get(handle)])).rejects.toMatchObject({ code: 'FAR_AGENT_TIMEOUT' });
    store.set({ readFailures: 0 });
    expect(far.views.u32[await far.get(handle)]).toBe(5);
  });

  it('of lost objects say so, and a clean local copy outlives the far one', async () => {
    const store = unreliable({ seed: 1 });
    const far = await openSmall({ store });
    const churn = churnOf(far);
    const handle = far.alloc(32);
    far.views.u32[far.tryMut(handle)] = 5;
    await far.flush();
    store.kill(0, handle);
    expect(far.views.u32[far.tryGet(handle)]).toBe(5);
    await churn();
    await expect(far.get(handle)).rejects.toThrow(FarObjectLostError);
  });
});

describe('non-temporal reads', () => {
  it('leave no trace in local memory', async () => {
    const far = await openSmall();
    const hot = far.array(u32, 20);
    const cold = Array.from({ length: 400 }, () => far.alloc(512));
    for (const [index, handle] of cold.entries()) far.views.u32[await far.mut(handle)] = index;
    await far.flush();
    for (let index = 0; index < 20; index++) await hot.set(index, index);
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    const before = far.stats();
    for (const [index, handle] of cold.entries()) {
      expect(far.views.u32[await far.get(handle, { nt: true })]).toBe(index);
      await nextTurn();
    }
    const after = far.stats();
    for (let index = 0; index < 20; index++) expect(hot.tryAt(index)).toBe(index);
    expect(after.cleanDropped - before.cleanDropped).toBe(0);
    expect(after.bytesIn - before.bytesIn).toBeGreaterThan(300 * 512);
  });
});

describe('synchronous access', () => {
  it('brings objects within the turn, and reclaimSync ends its scope', async () => {
    const far = await openSmall();
    const handles = Array.from({ length: 300 }, () => far.alloc(512));
    for (const [index, handle] of handles.entries()) far.views.u32[await far.mut(handle)] = index + 1;
    await far.flush();
    let sum = 0;
    let reclaimed = 0;
    for (const handle of handles) {
      try {
        sum += far.views.u32[far.getSync(handle)]!;
      } catch (error) {
        expect(error).toBeInstanceOf(FarMemoryFullError);
        reclaimed += far.reclaimSync();
        sum += far.views.u32[far.getSync(handle)]!;
      }
    }
    expect(sum).toBe((300 * 301) / 2);
    expect(reclaimed).toBeGreaterThan(20);
  });

  it('is refused where the store has none', async () => {
    const { readSync: _, ...store } = createLocalStore();
    const far = await openSmall({ store });
    const churn = churnOf(far);
    const handle = far.alloc(8);
    far.tryMut(handle);
    await churn();
    expect(() => far.getSync(handle)).toThrow(/cannot be read synchronously/);
  });
});

describe('full local memory', () => {
  it('throws FarMemoryFullError at once with onFull: throw', async () => {
    const far = await openSmall({ onFull: 'throw' });
    const handles = Array.from({ length: 20 }, () => far.alloc(4000));
    const results = await Promise.allSettled(handles.map((handle) => far.mut(handle)));
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(3);
    for (const result of refused) expect((result as PromiseRejectedResult).reason).toBeInstanceOf(FarMemoryFullError);
    await nextTurn();
    await nextTurn();
    await far.mut(handles[19]!);
  });

  it('waits, and says after a while what it waited for', async () => {
    const store = unreliable({ seed: 1, writeFailures: 1 });
    const far = await openSmall({ store, fullTimeoutMs: 150 });
    const handles = Array.from({ length: 40 }, () => far.alloc(4000));
    const fill = async () => {
      for (const handle of handles) await far.mut(handle);
    };
    await expect(fill()).rejects.toThrow(/no segment became free in 150 ms: dirty objects cannot be written/);
    await expect(fill()).rejects.toMatchObject({ code: 'FAR_MEMORY_FULL', cause: { code: 'FAR_AGENT_TIMEOUT' } });
    store.set({ writeFailures: 0 });
    await fill();
  });

  it('lets a process go on to close while someone waits', async () => {
    const store = unreliable({ seed: 1, writeFailures: 1 });
    const far = await openSmall({ store });
    const waiting = (async () => {
      for (let count = 0; count < 40; count++) await far.mut(far.alloc(4000));
    })();
    const outcome = expect(waiting).rejects.toThrow(/closed|not be written|cannot be written/);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await far.close();
    await outcome;
  });
});

describe('options', () => {
  it.each([
    [{ localBytes: 1000 }, /localBytes is 1000; expected a number from/],
    [{ localBytes: 2 ** 33 }, /localBytes is 8589934592/],
    [{ localBytes: 2 ** 24, segmentBytes: 5000 }, /segmentBytes is 5000; expected a power of two/],
    [{ localBytes: 2 ** 24, thresholds: { low: 0.5 } }, /expected 0 <= empty < low < high < 1/],
    [{ localBytes: Number.NaN }, /localBytes is NaN/],
  ])('out of range are named: %j', async (options, message) => {
    await expect(FarMemory.open(options)).rejects.toThrow(message);
  });
});
