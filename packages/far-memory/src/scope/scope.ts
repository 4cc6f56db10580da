/// <reference lib="esnext.disposable" />
import { FarUsageError } from '../errors.ts';
import { type Handle, type Location, MISS } from '../handles/words.ts';
import type { Heap } from '../objects/heap.ts';
import type { Objects, ReadOptions } from '../objects/objects.ts';

/**
 * Places that stay valid across awaits: what is obtained through a scope is pinned until the scope ends. Scopes nest and overlap freely;
 * pins are counted per segment. Where no scope is open, a synchronous turn is one for free.
 */
export interface Scope {
  tryGet(handle: Handle): Location;
  /** For writing until the scope ends. */
  tryMut(handle: Handle): Location;
  get(handle: Handle, options?: ReadOptions): Promise<Location>;
  mut(handle: Handle): Promise<Location>;
  /** Ends the scope; a second time does nothing. */
  close(): void;
  [Symbol.dispose](): void;
}

export interface Scopes {
  open(): Scope;
  /** Runs `work` in a scope that ends when it returns, or when the promise that it returns settles. */
  scope<Result>(work: (scope: Scope) => Result): Result;
  /** Scopes that are open now. */
  openScopes(): number;
}

/** A scope that is open for longer is named by a warning in debug mode. */
const LONG_SCOPE_MS = 30_000;

export function createScopes(heap: Heap, objects: Objects): Scopes {
  const { arena } = heap;
  let count = 0;

  function open(): Scope {
    const segments: number[] = [];
    const written: Handle[] = [];
    let isOpen = true;
    count++;
    const warning = heap.debug ? warnIfLong() : undefined;

    function pin(location: Location): Location {
      if (!isOpen) throw new FarUsageError('the scope was closed before the object came; await it inside the scope');
      if (location === MISS) return location;
      const segment = arena.segmentOf(location);
      arena.pins[segment]!++;
      segments.push(segment);
      return location;
    }

    function pinWritten(handle: Handle, location: Location): Location {
      if (pin(location) !== MISS) written.push(handle);
      return location;
    }

    function close(): void {
      if (!isOpen) return;
      isOpen = false;
      count--;
      clearTimeout(warning);
      // Written back meanwhile, perhaps, and written to after that.
      for (const handle of written) objects.markWritten(handle);
      for (const segment of segments) {
        arena.pins[segment]!--;
        arena.settle(segment);
      }
    }

    return {
      tryGet: (handle) => pin(objects.tryGet(handle)),
      tryMut: (handle) => pinWritten(handle, objects.tryMut(handle)),
      get: async (handle, options) => pin(await objects.get(handle, options)),
      mut: async (handle) => pinWritten(handle, await objects.mut(handle)),
      close,
      [Symbol.dispose]: close,
    };
  }

  return {
    open,
    scope(work) {
      const opened = open();
      let isAsync = false;
      try {
        const result = work(opened);
        if (!(result instanceof Promise)) return result;
        isAsync = true;
        // The same promise goes back, so that its type and its rejection are the caller's.
        result.then(opened.close, opened.close);
        return result;
      } finally {
        if (!isAsync) opened.close();
      }
    },
    openScopes: () => count,
  };
}

function warnIfLong(): NodeJS.Timeout {
  const opened = new Error('opened here');
  return setTimeout(() => {
    process.emitWarning(
      `a scope has been open for ${LONG_SCOPE_MS / 1000} s and keeps its segments pinned: ${opened.stack}`,
      {
        code: 'FAR_LONG_SCOPE',
      },
    );
  }, LONG_SCOPE_MS).unref();
}
