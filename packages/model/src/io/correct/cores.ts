import type { PageLevel } from '../../machine/address.ts';
import type { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { Fifo } from './fifo.ts';
import type { InvalidationQueue } from './invalidation-queue.ts';

const Operation = {
  spend: 0,
  map: 1,
  unmap: 2,
  invalidate: 3,
  release: 4,
  giveFrames: 5,
  freeAddress: 6,
  post: 7,
  poll: 8,
  refill: 9,
  synchronize: 10,
} as const;

/** What operations do besides taking time; the rest of the model. */
export interface CoreEffects {
  map(domain: number, vpn: number, frame: number, level: PageLevel): void;
  unmap(domain: number, vpn: number): void;
  release(domain: number, vpn: number, pages: number): void;
  giveFrames(domain: number, frame: number, count: number): void;
  freeAddress(core: number, domain: number, vpn: number, pages: number): void;
  post(ring: number, slot: number): void;
  /** Appends operations for what has completed on the ring. */
  poll(ring: number): void;
  refill(ring: number): void;
}

const Stage = { idle: 0, running: 1, locking: 2, waiting: 3 } as const;

/**
 * The cores that run drivers. A scheme appends operations to a core's programme; each takes effect when the core gets to it, so that what
 * cores and devices do to tables, caches and the queue happens in one order of time.
 */
export class Cores {
  /** Before the simulation begins, operations take effect at once and cost nothing: rings are posted when the device starts. */
  isSettingUp = false;
  busyNs: number[] = [];
  readonly #programmes: Fifo[] = [];
  readonly #stage: number[] = [];
  readonly #events: EventQueue;
  readonly #effects: CoreEffects;
  #queue: InvalidationQueue | undefined;

  constructor(events: EventQueue, effects: CoreEffects) {
    this.#events = events;
    this.#effects = effects;
  }

  connect(queue: InvalidationQueue): void {
    this.#queue = queue;
  }

  spend(core: number, nanoseconds: number): void {
    if (nanoseconds > 0) this.#append(core, Operation.spend, nanoseconds, 0, 0, 0);
  }

  map(core: number, domain: number, vpn: number, frame: number, level: PageLevel): void {
    this.#append(core, Operation.map, domain, vpn, frame, level);
  }

  unmap(core: number, domain: number, vpn: number): void {
    this.#append(core, Operation.unmap, domain, vpn, 0, 0);
  }

  /** Submits a command and waits for it. @param pages `wholeDomain` for everything of the domain */
  invalidate(core: number, domain: number, vpn: number, pages: number, leavesOnly: boolean): void {
    this.#append(core, Operation.invalidate, domain, vpn, pages, leavesOnly ? 1 : 0);
  }

  /** Takes the queue's lock and gives it back. */
  synchronize(core: number): void {
    this.#append(core, Operation.synchronize, 0, 0, 0, 0);
  }

  /** The memory goes back to the operating system: from now on the device has no business there. */
  release(core: number, domain: number, vpn: number, pages: number): void {
    this.#append(core, Operation.release, domain, vpn, pages, 0);
  }

  giveFrames(core: number, domain: number, frame: number, count: number): void {
    this.#append(core, Operation.giveFrames, domain, frame, count, 0);
  }

  freeAddress(core: number, domain: number, vpn: number, pages: number): void {
    this.#append(core, Operation.freeAddress, domain, vpn, pages, 0);
  }

  post(core: number, ring: number, slot: number): void {
    this.#append(core, Operation.post, ring, slot, 0, 0);
  }

  poll(core: number, ring: number): void {
    this.#append(core, Operation.poll, ring, 0, 0, 0);
  }

  refill(core: number, ring: number): void {
    this.#append(core, Operation.refill, ring, 0, 0, 0);
  }

  #append(core: number, operation: number, a: number, b: number, c: number, d: number): void {
    if (this.isSettingUp) {
      if (operation === Operation.spend || operation === Operation.invalidate || operation === Operation.synchronize)
        return;
      this.#apply(core, operation, a, b, c, d);
      return;
    }
    let programme = this.#programmes[core];
    if (programme === undefined) {
      programme = new Fifo(5);
      for (let known = this.#programmes.length; known <= core; known++) {
        this.#programmes[known] ??= known === core ? programme : new Fifo(5);
        this.#stage[known] = Stage.idle;
        this.busyNs[known] = 0;
      }
    }
    programme.push(operation, a, b, c, d);
    if (this.#stage[core] !== Stage.idle) return;
    this.#stage[core] = Stage.running;
    this.#events.push(this.#events.now, EventKind.core, core);
  }

  /** Works through the core's programme up to the next operation that takes time. */
  run(core: number): void {
    const programme = this.#programmes[core]!;
    if (this.#stage[core] === Stage.locking && programme.at(0, 0) === Operation.synchronize) {
      this.busyNs[core]! += this.#events.now;
      programme.shift();
      this.#queue!.unlock();
    } else if (this.#stage[core] === Stage.locking) {
      this.#queue!.submit(core, programme.at(0, 1), programme.at(0, 2), programme.at(0, 3), programme.at(0, 4) === 1);
      this.#stage[core] = Stage.waiting;
      return;
    }
    this.#stage[core] = Stage.running;
    while (programme.length > 0) {
      const operation = programme.at(0, 0);
      const a = programme.at(0, 1);
      if (operation === Operation.spend) {
        programme.shift();
        this.busyNs[core]! += a;
        this.#events.push(this.#events.now + a, EventKind.core, core);
        return;
      }
      if (operation === Operation.invalidate || operation === Operation.synchronize) {
        this.#stage[core] = Stage.locking;
        this.busyNs[core]! -= this.#events.now;
        this.#queue!.lock(core, operation === Operation.invalidate);
        return;
      }
      const b = programme.at(0, 2);
      const c = programme.at(0, 3);
      const d = programme.at(0, 4);
      programme.shift();
      this.#apply(core, operation, a, b, c, d);
    }
    this.#stage[core] = Stage.idle;
  }

  /** The command that the core waits for has been carried out. */
  invalidated(core: number): void {
    this.busyNs[core]! += this.#events.now;
    this.#programmes[core]!.shift();
    this.#stage[core] = Stage.running;
    this.#events.push(this.#events.now, EventKind.core, core);
  }

  /** Whether any core has something left to do. */
  get isWorking(): boolean {
    return this.#stage.some((stage) => stage !== Stage.idle);
  }

  /** Share of the run that the cores were busy, on average over those that had work at all. */
  busyShare(timeNs: number): number {
    if (timeNs === 0 || this.busyNs.length === 0) return 0;
    return this.busyNs.reduce((sum, busy) => sum + busy, 0) / this.busyNs.length / timeNs;
  }

  #apply(core: number, operation: number, a: number, b: number, c: number, d: number): void {
    const effects = this.#effects;
    switch (operation) {
      case Operation.map:
        effects.map(a, b, c, d as PageLevel);
        break;
      case Operation.unmap:
        effects.unmap(a, b);
        break;
      case Operation.release:
        effects.release(a, b, c);
        break;
      case Operation.giveFrames:
        effects.giveFrames(a, b, c);
        break;
      case Operation.freeAddress:
        effects.freeAddress(core, a, b, c);
        break;
      case Operation.post:
        effects.post(a, b);
        break;
      case Operation.poll:
        effects.poll(a);
        break;
      case Operation.refill:
        effects.refill(a);
        break;
    }
  }
}
