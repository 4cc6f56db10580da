import { StrataError } from '../machine/errors.ts';

export type GuestAllocator = 'buddy' | 'llfree';

/** What one VM needed over time: one sample per entry, times ascending, sizes in MiB. */
export interface Demand {
  readonly name: string;
  readonly seconds: Float64Array;
  /** Allocated pages of 4 KiB; not a number where unknown. */
  readonly usedMib: Float64Array;
  /** 2 MiB frames that are not wholly free; not a number where unknown. */
  readonly usedHugeMib: Float64Array;
  /** Size of the VM. */
  readonly totalMib: number;
  /** Allocator that the guest ran, where the recording tells. */
  readonly allocator: GuestAllocator | undefined;
  /** What the host had resident, where it was recorded, and under which technique. */
  readonly recorded:
    | { readonly residentMib: Float64Array; readonly technique: string | undefined; readonly vfio: boolean }
    | undefined;
}

/** Demand ready for a technique: every value known, and the sentences that say what was estimated. */
export interface PreparedDemand {
  readonly seconds: Float64Array;
  readonly usedMib: Float64Array;
  readonly usedHugeMib: Float64Array;
  readonly notes: readonly string[];
}

/**
 * Memory lost to 2 MiB frames in use only in part, of 50-minute builds of clang on either allocator (specification 0.1, 5.2): 3.5 GiB under
 * Linux's buddy against 1.65 GiB under LLFree, and 10.42 GiB in frames for 6.91 GiB of pages.
 */
const llfreeOverBuddyWaste = 1.65 / 3.5;
const buddyFrameRatio = 10.42 / 6.91;

/**
 * The demand as it would be under an allocator. Fragmentation is what decides a footprint, and cannot be told from a recording under another
 * allocator: it is scaled by what the published recordings show, and a note says so.
 */
export function demandUnder(demand: Demand, allocator: GuestAllocator): PreparedDemand {
  const { seconds, usedMib, totalMib } = demand;
  const notes: string[] = [];
  let recordedUnder = demand.allocator;
  let usedHugeMib = demand.usedHugeMib;
  if (usedHugeMib.some(Number.isNaN)) {
    notes.push('Frames of 2 MiB in use are estimated as 1.51 times the pages in use (Linux buddy, builds of clang).');
    const frames = demand.usedHugeMib;
    usedHugeMib = usedMib.map((used, at) => {
      const known = frames[at]!;
      return Number.isNaN(known) ? Math.min(totalMib, used * buddyFrameRatio) : known;
    });
    recordedUnder ??= 'buddy';
  }
  if (recordedUnder !== undefined && recordedUnder !== allocator) {
    if (usedMib.some(Number.isNaN))
      notes.push(
        `The demand was recorded under ${recordedUnder} and the technique comes with ${allocator}; without pages in use it is taken as it is.`,
      );
    else {
      const ratio = allocator === 'llfree' ? llfreeOverBuddyWaste : 1 / llfreeOverBuddyWaste;
      const frames = usedHugeMib;
      usedHugeMib = usedMib.map((used, at) => {
        const small = Math.min(used, frames[at]!);
        return Math.min(totalMib, Math.max(0, small + (frames[at]! - small) * ratio));
      });
      notes.push(
        `The demand was recorded under ${recordedUnder} and the technique comes with ${allocator}: fragmentation is scaled by ${ratio.toFixed(2)} (builds of clang).`,
      );
    }
  }
  return { seconds, usedMib, usedHugeMib, notes };
}

/** @throws StrataError `elastic.bad-demand` where a recording cannot be replayed */
export function checkDemand(demand: Demand, where: string): Demand {
  const { seconds, usedMib, usedHugeMib, totalMib } = demand;
  const bad = (what: string, expected: string, found: string) =>
    new StrataError({ code: 'elastic.bad-demand', what, where, expected, found });
  if (seconds.length < 2) throw bad('too few samples', 'at least two, at different times', `${seconds.length}`);
  if (!(totalMib > 0)) throw bad('no size of the VM', 'a size above 0', `${totalMib} MiB`);
  for (let at = 0; at < seconds.length; at++) {
    if (at > 0 && !(seconds[at]! > seconds[at - 1]!))
      throw bad(
        `sample ${at + 1} is not later than the one before`,
        `a time after ${seconds[at - 1]} s`,
        `${seconds[at]} s`,
      );
    if (Number.isNaN(usedMib[at]!) && Number.isNaN(usedHugeMib[at]!))
      throw bad(`sample ${at + 1} has neither pages nor frames in use`, 'one of both', 'none');
  }
  return demand;
}

/** The part of a demand between two times, which begins at 0. @throws StrataError `elastic.bad-demand` when fewer than two samples are left */
export function cutDemand(demand: Demand, fromSeconds: number, toSeconds: number, where: string): Demand {
  const { seconds } = demand;
  let first = 0;
  while (first < seconds.length && seconds[first]! < fromSeconds) first++;
  let end = seconds.length;
  while (end > first && seconds[end - 1]! > toSeconds) end--;
  const part = (values: Float64Array) => values.slice(first, end);
  const start = seconds[first] ?? 0;
  return checkDemand(
    {
      ...demand,
      seconds: part(seconds).map((time) => time - start),
      usedMib: part(demand.usedMib),
      usedHugeMib: part(demand.usedHugeMib),
      recorded: demand.recorded && { ...demand.recorded, residentMib: part(demand.recorded.residentMib) },
    },
    where,
  );
}
