import { describe, expect, it } from 'vitest';
import { createRandom } from '../../machine/random.ts';
import { resolveIoMachine } from './config.ts';
import { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { InvalidationQueue } from './invalidation-queue.ts';
import { Iommu } from './iommu.ts';
import { Probe } from './probe.ts';
import { Requests } from './requests.ts';

/** Cores that want the lock at time 0, in their order. @param mapping those that want it for mapping */
function run(cores: readonly number[], given: object, mapping: readonly number[] = []) {
  const machine = resolveIoMachine({ submitNs: 200, trapNs: 30, invalidationNs: 500, mapLockNs: 70, ...given });
  const events = new EventQueue();
  const completed: [core: number, time: number][] = [];
  const resumed: [core: number, time: number][] = [];
  const queue = new InvalidationQueue({
    machine,
    events,
    iommu: new Iommu(machine, events, new Requests(), new Probe(-1), createRandom(1)),
    invalidate() {},
    toDevice: undefined,
    onCompleted: (core) => completed.push([core, events.now]),
    resume: (core, time) => events.push(time, EventKind.core, core),
  });
  for (const core of cores) queue.lock(core, !mapping.includes(core));
  while (events.length > 0) {
    events.pop();
    if (events.kind === EventKind.invalidation) queue.carryOut();
    else {
      resumed.push([events.argument, events.now]);
      if (mapping.includes(events.argument)) queue.unlock();
      else queue.submit(events.argument, 0, events.argument, 1, false);
    }
  }
  return { completed, resumed, counts: (endNs: number) => queue.counts(endNs) };
}

describe('the lock of the invalidation queue', () => {
  it('goes to the next that waits when the command is written', () => {
    // Waiting for exactly as long as it spins, a core is not halted.
    const { completed, resumed, counts } = run([4, 2], { spinNs: 230, wakeNs: 1000 });
    expect(resumed).toEqual([
      [4, 230],
      [2, 460],
    ]);
    // The second command waits for the first.
    expect(completed).toEqual([
      [4, 730],
      [2, 1230],
    ]);
    expect(counts(1230)).toEqual({
      commands: 2,
      meanNs: 980,
      maxNs: 1230,
      meanLockWaitNs: 115,
      wakeUps: 0,
      lockHeldShare: 460 / 1230,
    });
  });

  it('reaches a halted core only after it has woken, and nobody holds it in the meantime', () => {
    const { completed, counts } = run([0, 1], { spinNs: 229, wakeNs: 1000 });
    expect(completed).toEqual([
      [0, 730],
      [1, 1960],
    ]);
    expect(counts(1960)).toMatchObject({ wakeUps: 1, meanLockWaitNs: 615, lockHeldShare: 460 / 1960 });
    // A DMA that ends before the cores do: the share is of the time until the lock was given back last.
    expect(counts(1000).lockHeldShare).toBe(460 / 1460);
  });

  it('is kept until the command has been carried out, where drivers do so', () => {
    const { completed, counts } = run([0, 1, 2], { lockThroughCompletion: true });
    expect(completed.map(([, time]) => time)).toEqual([730, 1460, 2190]);
    expect(counts(2190)).toMatchObject({ lockHeldShare: 1, meanLockWaitNs: 730, maxNs: 2190 });
  });

  it('is taken for mapping as long as that takes, which no command counts as its own wait', () => {
    const { resumed, counts } = run([0, 1, 2], {}, [0, 2]);
    expect(resumed).toEqual([
      [0, 70],
      [1, 300],
      [2, 370],
    ]);
    expect(counts(800)).toMatchObject({ commands: 1, meanLockWaitNs: 70, lockHeldShare: 370 / 800 });
  });
});
