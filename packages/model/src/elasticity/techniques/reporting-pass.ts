/** Size of a block of the largest order (10) in MiB. */
export const blockMib = 4;
/** A pass reports at most this part of a list, and one batch more (Linux: PAGE_REPORTING_CAPACITY x 16). */
const budgetDivisor = 16;

/** Free memory of one zone in blocks of order 10. */
export interface Zone {
  /** All free blocks, reported ones too: the column of /proc/buddyinfo. */
  readonly freeBlocks: number;
  /** Those that the host still has resident. */
  readonly pendingBlocks: number;
}

/**
 * One pass of free page reporting (Linux mm/page_reporting.c): per list ceil(free / (capacity x 16)) + 1 batches of `capacity` blocks.
 * The budget counts reported blocks too, so the rate stays the same however little is left.
 * @returns blocks reported, and the zones after the pass
 */
export function reportPass(
  zones: readonly Zone[],
  { capacity }: { readonly capacity: number },
): { readonly reported: number; readonly zones: readonly Zone[] } {
  let reported = 0;
  const after = zones.map(({ freeBlocks, pendingBlocks }) => {
    const batches = freeBlocks > 0 ? Math.ceil(freeBlocks / (capacity * budgetDivisor)) + 1 : 0;
    const now = Math.min(pendingBlocks, batches * capacity);
    reported += now;
    return { freeBlocks, pendingBlocks: pendingBlocks - now };
  });
  return { reported, zones: after };
}

/** GiB reported in each pass until nothing is pending. */
export function reportPasses(zones: readonly Zone[], capacity = 32): number[] {
  const gib: number[] = [];
  for (let left = zones; left.some(({ pendingBlocks }) => pendingBlocks > 0); ) {
    const pass = reportPass(left, { capacity });
    if (pass.reported === 0) break;
    gib.push((pass.reported * blockMib) / 1024);
    left = pass.zones;
  }
  return gib;
}
