import { createRandom } from '../../machine/random.ts';
import type { Application } from './applications.ts';
import type { EventCosts } from './costs.ts';
import { createEventQueue } from './event-queue.ts';

export interface SimulationOptions {
  /** Operations that count, after as many again have warmed the loop up. */
  readonly operations: number;
  readonly seed: number;
  /** Half-width of the variation of the work, as a share of it. */
  readonly variation: number;
}

export const defaultSimulation: SimulationOptions = { operations: 4_000, seed: 1, variation: 0.2 };

export interface SimulationResult {
  readonly operationsPerSecond: number;
  readonly meanLatencyMicros: number;
  readonly p99LatencyMicros: number;
  /** Share of the vCPUs' time that is not sleep. */
  readonly busy: number;
  /** Doorbells per operation: fewer where the back end never idles. */
  readonly kicksPerOp: number;
  readonly sleepsPerOp: number;
}

interface Vcpu {
  readonly queue: number[];
  state: 'asleep' | 'falling asleep' | 'working';
  busyMicros: number;
}

/**
 * A closed loop of clients, vCPUs and one link, event by event. A client's operation waits for its vCPU (woken and interrupted if it sleeps),
 * is worked on, goes through the link, and comes back after the network's time as the next one.
 */
export function simulateLatency(
  application: Application,
  costs: EventCosts,
  options: SimulationOptions = defaultSimulation,
): SimulationResult {
  const random = createRandom(options.seed);
  const events = createEventQueue();
  const vcpus: Vcpu[] = Array.from({ length: Math.min(application.vcpus, application.clients) }, () => ({
    queue: [],
    state: 'asleep',
    busyMicros: 0,
  }));
  const sentAt = new Float64Array(application.clients);
  const latencies: number[] = [];
  const wanted = 2 * options.operations;
  let now = 0;
  let done = 0;
  let linkFreeAt = 0;
  let kicks = 0;
  let sleeps = 0;
  let measuredFrom = 0;

  function arrive(client: number): void {
    const vcpu = vcpus[client % vcpus.length]!;
    vcpu.queue.push(client);
    if (vcpu.state === 'asleep') start(vcpu, costs.haltMicros / 2 + (application.network ? costs.interruptMicros : 0));
  }

  function start(vcpu: Vcpu, beforeMicros: number): void {
    const client = vcpu.queue.shift()!;
    vcpu.state = 'working';
    const varied = application.workMicros * (1 + options.variation * (2 * random.unit() - 1));
    const work = beforeMicros + varied + costs.fixedMicros;
    events.add(now + work, () => sendAnswer(vcpu, client, work));
  }

  /** The doorbell is rung only if the back end has nothing left to send: event suppression of virtio. */
  function sendAnswer(vcpu: Vcpu, client: number, workMicros: number): void {
    const rings = application.network && linkFreeAt <= now;
    const kick = rings ? costs.kickMicros : 0;
    if (rings) kicks++;
    vcpu.busyMicros += workMicros + kick;
    events.add(now + kick, () => {
      linkFreeAt = Math.max(now, linkFreeAt) + application.linkMicros;
      events.add(linkFreeAt + costs.relayMicros + application.networkMicros, () => answered(client));
      next(vcpu);
    });
  }

  function next(vcpu: Vcpu): void {
    if (vcpu.queue.length > 0) {
      start(vcpu, 0);
      return;
    }
    sleeps++;
    vcpu.state = 'falling asleep';
    vcpu.busyMicros += costs.haltMicros;
    events.add(now + costs.haltMicros / 2, () => {
      vcpu.state = 'asleep';
      if (vcpu.queue.length > 0) start(vcpu, costs.haltMicros / 2);
    });
  }

  function answered(client: number): void {
    done++;
    if (done === options.operations) beginMeasuring();
    if (done > options.operations) latencies.push(now - sentAt[client]!);
    sentAt[client] = now;
    arrive(client);
  }

  function beginMeasuring(): void {
    measuredFrom = now;
    kicks = 0;
    sleeps = 0;
    for (const vcpu of vcpus) vcpu.busyMicros = 0;
  }

  for (let client = 0; client < application.clients; client++) arrive(client);
  while (done < wanted) {
    const event = events.next();
    if (event === undefined) break;
    now = event.at;
    event.happen();
  }
  const elapsed = now - measuredFrom;
  latencies.sort((a, b) => a - b);
  return {
    operationsPerSecond: (latencies.length / elapsed) * 1e6,
    meanLatencyMicros: latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length,
    p99LatencyMicros: latencies[Math.min(latencies.length - 1, Math.floor(0.99 * latencies.length))]!,
    busy: Math.min(1, vcpus.reduce((sum, { busyMicros }) => sum + busyMicros, 0) / (elapsed * vcpus.length)),
    kicksPerOp: kicks / latencies.length,
    sleepsPerOp: sleeps / latencies.length,
  };
}
