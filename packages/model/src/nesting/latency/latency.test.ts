import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allSetUps, planSetUp } from '../experiment/setups.ts';
import { dvhPaper } from '../profiles/dvh-paper.ts';
import { applications } from './applications.ts';
import { eventCostsOf } from './costs.ts';
import { createEventQueue } from './event-queue.ts';
import { simulateLatency } from './simulate.ts';

const application = (name: string) => applications.find((known) => known.name === name)!;
const still = { operations: 500, seed: 1, variation: 0 };

describe('the event queue', () => {
  it('hands out events by time, and in the order of adding at the same time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (times) => {
        const queue = createEventQueue();
        const seen: number[] = [];
        times.forEach((at, index) => {
          queue.add(at, () => seen.push(index));
        });
        for (let event = queue.next(); event !== undefined; event = queue.next()) event.happen();
        expect(seen).toEqual(times.map((_, index) => index).sort((a, b) => times[a]! - times[b]! || a - b));
      }),
    );
  });
});

describe('the simulation of latency', () => {
  it('takes, with one client, exactly the sum of what lies on its path', () => {
    const rr = application('netperf-rr');
    for (const setUp of allSetUps()) {
      const costs = eventCostsOf(dvhPaper, setUp, rr);
      const path =
        rr.workMicros +
        rr.linkMicros +
        rr.networkMicros +
        costs.fixedMicros +
        costs.kickMicros +
        costs.interruptMicros +
        costs.relayMicros +
        costs.haltMicros / 2;
      // Falling asleep overlaps with the network unless it takes longer.
      const asleep = rr.linkMicros + costs.relayMicros + rr.networkMicros;
      const late = Math.max(0, costs.haltMicros / 2 - asleep);
      const interrupt = late > 0 ? costs.interruptMicros : 0;
      expect(simulateLatency(rr, costs, still).meanLatencyMicros).toBeCloseTo(path + late - interrupt, 6);
    }
  });

  it('obeys Little: operations per second times latency is the number of clients', () => {
    for (const app of applications) {
      const { operationsPerSecond, meanLatencyMicros } = simulateLatency(
        app,
        eventCostsOf(dvhPaper, planSetUp(2, 'base'), app),
      );
      expect((operationsPerSecond * meanLatencyMicros) / 1e6 / app.clients).toBeCloseTo(1, 1);
    }
  });

  it('fills the link with a native stream, and rings fewer doorbells where the link never idles', () => {
    const stream = application('netperf-stream');
    const native = simulateLatency(stream, eventCostsOf(dvhPaper, planSetUp(0, 'base'), stream), still);
    expect(native.operationsPerSecond).toBeCloseTo(1e6 / stream.linkMicros, -2);
    const vm = simulateLatency(stream, eventCostsOf(dvhPaper, planSetUp(1, 'base'), stream), still);
    expect(vm.kicksPerOp).toBeLessThan(0.1);
  });

  it('never gets faster with depth, and DVH is never slower than the plain nested set-up', () => {
    for (const app of applications) {
      const rate = (level: number, configuration: 'base' | 'dvh') =>
        simulateLatency(app, eventCostsOf(dvhPaper, planSetUp(level, configuration), app), still).operationsPerSecond;
      const plain = [0, 1, 2, 3].map((level) => rate(level, 'base'));
      for (let level = 1; level < 4; level++) expect(plain[level]!).toBeLessThanOrEqual(plain[level - 1]! * 1.01);
      for (const level of [2, 3]) expect(rate(level, 'dvh')).toBeGreaterThanOrEqual(plain[level]! * 0.99);
    }
  });

  it('is the same bit for bit with the same seed', () => {
    const app = application('memcached');
    const costs = eventCostsOf(dvhPaper, planSetUp(2, 'dvh'), app);
    expect(simulateLatency(app, costs)).toEqual(simulateLatency(app, costs));
  });
});
