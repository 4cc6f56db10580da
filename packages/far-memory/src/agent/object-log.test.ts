import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { status } from '../protocol/frames.ts';
import { hashObject } from '../protocol/object-index.ts';
import { createObjectLog, type ObjectLog, recordBytes } from './object-log.ts';
import { createSegmentPool } from './segments.ts';
import { openSpillFile } from './spill.ts';

const folder = temporaryFolder('log');

const memoryBytes = 2 ** 20;
let spills = 0;
const newSpill = (limitBytes: number) => openSpillFile(join(folder, `spill-${spills++}`), limitBytes);

function bytesOf(seed: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(seed);
  new DataView(bytes.buffer).setUint32(0, seed, true);
  return bytes;
}

function readBack(log: ObjectLog, id: number): Uint8Array | number {
  const object = log.read(1, id);
  return object.status === status.ok ? Uint8Array.from(object.bytes) : object.status;
}

function isHeld(log: ObjectLog, id: number, expected: Uint8Array | undefined): boolean {
  const object = log.read(1, id);
  if (object.status !== status.ok || expected === undefined)
    return object.status === status.absent && expected === undefined;
  return Buffer.compare(object.bytes, expected) === 0;
}

const step = fc.record({
  free: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  id: fc.nat(30),
  size: fc.oneof(
    fc.integer({ min: 4, max: 100 }),
    fc.integer({ min: 4, max: 20_000 }),
    fc.integer({ min: 60_000, max: 150_000 }),
  ),
});

describe.each([
  ['in memory', 0],
  ['with a spill file', 4 * memoryBytes],
])('the log of a client, %s', (_, spillBytes) => {
  it('holds exactly what was put and not freed, whatever the cleaner moves', { timeout: 120_000 }, () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 300 }), (steps) => {
        const spill = spillBytes > 0 ? newSpill(spillBytes) : undefined;
        const pool = createSegmentPool(memoryBytes, spill);
        const log = createObjectLog(pool, Number.MAX_SAFE_INTEGER);
        const model = new Map<number, Uint8Array>();
        for (const [version, { free, id, size }] of steps.entries()) {
          if (free) expect(log.free(1, id, version)).toBe(model.delete(id));
          else {
            const bytes = bytesOf(version, size);
            const result = log.put(1, id, version, bytes);
            if (result === status.ok) model.set(id, bytes);
            else {
              expect(result).toBe(status.agentFull);
              refused++;
            }
          }
          expect(pool.usedBytes).toBeLessThanOrEqual(memoryBytes);
        }
        for (let id = 0; id <= 30; id++) expect(isHeld(log, id, model.get(id))).toBe(true);
        expect(log.objects).toBe(model.size);
        expect(log.liveBytes).toBe([...model.values()].reduce((sum, bytes) => sum + recordBytes(bytes.length), 0));
        log.close();
        expect(pool.usedBytes).toBe(0);
        expect(spill?.usedBytes ?? 0).toBe(0);
        spill?.close();
      }),
      { numRuns: 60 },
    );
    // 31 objects of up to 150 KB do not fit into 1 MiB, so that full logs are part of what was tried; they fit with the file.
    if (spillBytes === 0) expect(refused).toBeGreaterThan(0);
  });
});

describe('the log of a client', () => {
  it('takes eight times its memory in overwrites, since the cleaner gives the dead back', () => {
    const pool = createSegmentPool(memoryBytes, undefined);
    const log = createObjectLog(pool, Number.MAX_SAFE_INTEGER);
    // Ids in an order without a pattern, so that no segment dies as a whole.
    for (let i = 0; i < 8192; i++) expect(log.put(1, hashObject(0, i) % 512, i, bytesOf(i, 1024))).toBe(status.ok);
    expect(log.objects).toBe(512);
    expect(pool.cleaned.segments).toBeGreaterThan(0);
    for (let id = 0; id < 512; id++) expect(readBack(log, id)).toHaveLength(1024);
  });

  it('keeps the later version, and a free of an earlier one does nothing', () => {
    const log = createObjectLog(createSegmentPool(memoryBytes, undefined), Number.MAX_SAFE_INTEGER);
    log.put(1, 5, 10, bytesOf(10, 8));
    expect(log.put(1, 5, 9, bytesOf(9, 8))).toBe(status.ok);
    expect(readBack(log, 5)).toEqual(bytesOf(10, 8));
    expect(log.free(1, 5, 9)).toBe(false);
    expect(log.free(1, 5, 10)).toBe(true);
  });

  it('refuses beyond the quota and keeps what was there', () => {
    const log = createObjectLog(createSegmentPool(memoryBytes, undefined), recordBytes(100) * 2);
    expect(log.put(1, 1, 1, bytesOf(1, 100))).toBe(status.ok);
    expect(log.put(1, 2, 2, bytesOf(2, 100))).toBe(status.ok);
    expect(log.put(1, 3, 3, bytesOf(3, 4))).toBe(status.overQuota);
    expect(log.put(1, 1, 4, bytesOf(4, 101 + 8))).toBe(status.overQuota);
    expect(readBack(log, 1)).toEqual(bytesOf(1, 100));
    expect(log.put(1, 1, 5, bytesOf(5, 50))).toBe(status.ok);
  });

  it('says that spilled bytes are unreadable when the disk changed them', () => {
    const spill = newSpill(64 * memoryBytes);
    const damaged = { ...spill, read: damage(spill.read) };
    const pool = createSegmentPool(memoryBytes, damaged);
    const log = createObjectLog(pool, Number.MAX_SAFE_INTEGER);
    for (let id = 0; id < 400; id++) expect(log.put(1, id, id, bytesOf(id, 8000))).toBe(status.ok);
    const results = Array.from({ length: 400 }, (_, id) => readBack(log, id));
    expect(results).toContain(status.unreadable);
    for (const [id, result] of results.entries())
      if (typeof result !== 'number') expect(Buffer.compare(result, bytesOf(id, 8000))).toBe(0);
    spill.close();
  });
});

/** Reads well and turns one bit over. */
function damage(read: ReturnType<typeof newSpill>['read']): typeof read {
  return (extent, from, into) => {
    const isRead = read(extent, from, into);
    into[into.length - 1]! ^= 4;
    return isRead;
  };
}
