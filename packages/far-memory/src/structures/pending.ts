import type { Handle, Location } from '../handles/words.ts';
import type { Memory } from './memory.ts';

/** What the synchronous forms answer when the entry may exist but is not in local memory. */
export const PENDING: unique symbol = Symbol('PENDING');
export type Pending = typeof PENDING;

/** The object that a synchronous step missed, and how to get it: steps are repeated until they miss nothing. */
export interface Missing {
  /** Notes the object; returns PENDING. */
  note(handle: Handle): Pending;
  until<Result>(step: () => Result | Pending): Promise<Result>;
}

export function createMissing(
  { objects }: Memory,
  bring: (handle: Handle) => Promise<Location> = objects.get,
): Missing {
  let wanted = 0 as Handle;
  return {
    note(handle) {
      wanted = handle;
      return PENDING;
    },
    async until(step) {
      for (;;) {
        const result = step();
        if (result !== PENDING) return result as Exclude<typeof result, Pending>;
        await bring(wanted);
      }
    },
  };
}
