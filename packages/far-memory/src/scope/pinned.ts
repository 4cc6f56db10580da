import type { Handle, Location } from '../handles/words.ts';
import type { Heap } from '../objects/heap.ts';
import type { Scopes } from './scope.ts';

export interface PinnedOptions {
  /** The views will be written to. */
  readonly write?: boolean;
}

/** The objects' bytes, in the order of the handles. */
export type PinnedWork<Result> = (...views: Uint8Array<SharedArrayBuffer>[]) => Result | Promise<Result>;

export type Pinned = <Result>(
  handles: readonly Handle[],
  work: PinnedWork<Result>,
  options?: PinnedOptions,
) => Promise<Result>;

export function createPinned({ arena, table }: Heap, scopes: Scopes): Pinned {
  return async (handles, work, options) => {
    const scope = scopes.open();
    try {
      const locations: Location[] = [];
      for (const handle of handles) locations.push(options?.write ? await scope.mut(handle) : await scope.get(handle));
      const views = locations.map((location, index) => arena.bytesAt(location, table.sizes[handles[index]!]!));
      return await work(...views);
    } finally {
      scope.close();
    }
  };
}
