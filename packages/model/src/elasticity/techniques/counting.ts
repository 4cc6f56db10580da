import type { CostName } from '../costs.ts';
import { mibPerHuge, pagesPerMib } from '../units.ts';

/** Counts what a technique does to the memory of the host as its resident memory goes down and up. */
export interface ResidencyCounter {
  readonly operations: ReadonlyMap<CostName, number>;
  count(cost: CostName, count: number): void;
  /** Resident memory in MiB now; frames that come back after they had gone are populated anew. */
  reach(residentMib: number): void;
}

/**
 * @param down operations per 2 MiB frame that leaves
 * @param up operations per 2 MiB frame that comes back
 */
export function createResidencyCounter(down: readonly CostName[], up: readonly CostName[]): ResidencyCounter {
  const operations = new Map<CostName, number>();
  let resident = 0;
  let peak = 0;
  const count = (cost: CostName, by: number) => {
    operations.set(cost, (operations.get(cost) ?? 0) + by);
  };
  const each = (costs: readonly CostName[], mib: number) => {
    for (const cost of costs) count(cost, cost.endsWith('4k') ? mib * pagesPerMib : mib / mibPerHuge);
  };
  return {
    operations,
    count,
    reach(next) {
      if (next < resident) each(down, resident - next);
      // Memory that is reached for the first time costs the same under every technique and is nobody's overhead.
      const again = Math.min(next, peak) - resident;
      if (again > 0) each(up, again);
      resident = next;
      peak = Math.max(peak, next);
    },
  };
}
