import type { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { contextEntry, hypervisor, type InvalidationQueue } from './invalidation-queue.ts';

/** A command of nobody's ring: a hypervisor's, or a recorded driver's. */
interface Command {
  readonly timeNs: number;
  readonly domain: number;
  readonly vpn: number;
  readonly pages: number;
}

/** Commands that no simulated core gives: in order, one begins when the one before it has been carried out. */
export interface DriverCommands {
  /** Carried out so far. */
  readonly done: number;
  /** Some wait, or one is under way. */
  readonly isBusy: boolean;
  /** Returns its number: it has been carried out when so many are done. */
  submit(domain: number, vpn: number, pages: number): number;
  /** @param requester -1 = of all context entries */
  submitContext(requester: number): number;
  /** The event `unmap`. */
  run(argument: number): void;
  /** The queue has carried out the current one. */
  completed(): void;
}

/** @param planned in the order of their times; none may be submitted beside them */
export function createDriverCommands(
  events: EventQueue,
  queue: () => InvalidationQueue,
  planned: readonly Command[],
): DriverCommands {
  let waiting: Command[] = [...planned];
  let next = 0;
  let done = 0;
  let submitted = planned.length;
  let isIdle = true;

  function begin(): void {
    const command = waiting[next];
    isIdle = command === undefined;
    if (command !== undefined) events.push(Math.max(events.now, command.timeNs), EventKind.unmap, 0);
    else {
      waiting = [];
      next = 0;
    }
  }

  begin();

  function submit(domain: number, vpn: number, pages: number): number {
    waiting.push({ timeNs: events.now, domain, vpn, pages });
    if (isIdle) begin();
    return ++submitted;
  }

  return {
    get done() {
      return done;
    },
    get isBusy() {
      return !isIdle;
    },
    submit,
    submitContext: (requester) => submit(0, requester, contextEntry),
    run(argument) {
      if (argument !== hypervisor) {
        queue().lock(hypervisor, true);
        return;
      }
      const { domain, vpn, pages } = waiting[next]!;
      queue().submit(hypervisor, domain, vpn, pages, false);
    },
    completed() {
      done++;
      next++;
      begin();
    },
  };
}
