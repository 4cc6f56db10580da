import { FarUsageError } from '../errors.ts';
import type { Handle } from '../handles/words.ts';
import type { Layout } from '../layout/layout.ts';
import { inTurns, type Memory } from './memory.ts';
import { createRows, type Rows } from './rows.ts';

/** A fixed number of values, each an object of its own: for large or randomly used values. All zeros at first. */
export interface FarArray<Value, View, Mutable> extends Rows<Value, View, Mutable> {
  /** Frees everything. Later calls throw FarUsageError. */
  drop(): Promise<void>;
}

/** Costs 16 local bytes per value, and 8 to 23 more while it is present; a vector shares them among the rows of a chunk. */
export function createArray<Value, View, Mutable>(
  memory: Memory,
  layout: Layout<Value, View, Mutable>,
  length: number,
): FarArray<Value, View, Mutable> {
  if (!Number.isInteger(length) || length < 0)
    throw new FarUsageError(`an array needs a whole number of values from 0 on, not ${length}`);
  const { objects, heap } = memory;
  const group = memory.newGroup();
  const first = objects.createRange(group, layout.byteLength, length);
  let isDropped = false;
  let present = length;

  function requireAlive(): void {
    if (isDropped) throw new FarUsageError('the array was dropped');
  }

  const { prefetch, ...rows } = createRows({
    memory,
    layout,
    group,
    shift: 0,
    handleAt: (index) => (first + index) as Handle,
    length: () => present,
    requireAlive,
  });
  const array: FarArray<Value, View, Mutable> = {
    ...rows,
    length,
    async drop() {
      requireAlive();
      isDropped = true;
      present = 0;
      prefetch.end();
      watch.dropped();
      await inTurns(length, (index) => objects.freeInRange(first, index, index + 1));
      heap.table.releaseRange(first, length);
      await heap.store.dropGroup(group);
    },
  };
  const watch = memory.watch(array, `an array of ${length} x ${layout.signature}`);
  return array;
}
