import { checkDemand, type Demand } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';

/** One sample as a format gives it; what it lacks is not a number. Sizes in MiB. */
export interface Sample {
  readonly seconds: number;
  readonly usedMib: number;
  readonly usedHugeMib: number;
  readonly residentMib: number;
  readonly totalMib: number;
}

/** Collects the samples of one recording. */
export interface DemandBuilder {
  /**
   * A sample at the time of the one before is left out, as those of a clock of whole seconds are.
   * @param where file and line, for errors
   * @throws StrataError `elastic.bad-demand` when time goes back
   */
  add(sample: Sample, where: string): void;
  readonly length: number;
  readonly warnings: readonly string[];
  /** @throws StrataError `elastic.bad-demand` */
  finish(name: string, where: string, setUp?: RecordedSetUp): Demand;
}

/** What a recording says about the VM that it was made of. */
export interface RecordedSetUp {
  readonly allocator?: Demand['allocator'];
  readonly technique?: string;
  readonly vfio?: boolean;
  /** Size of the VM where the samples lack it. */
  readonly totalMib?: number;
}

const columns = ['seconds', 'usedMib', 'usedHugeMib', 'residentMib', 'totalMib'] as const;
const firstCapacity = 1024;
/** What units and rounding may add to the use of a VM that is full. */
const usedSlack = 1.02;

export function createDemandBuilder(): DemandBuilder {
  let values = columns.map(() => new Float64Array(firstCapacity));
  let length = 0;
  let repeated = 0;

  function grow(): void {
    values = values.map((old) => {
      const larger = new Float64Array(2 * length);
      larger.set(old);
      return larger;
    });
  }

  const column = (name: (typeof columns)[number]) => values[columns.indexOf(name)]!.slice(0, length);

  return {
    add(sample, where) {
      const before = length === 0 ? Number.NEGATIVE_INFINITY : values[0]![length - 1]!;
      if (sample.seconds < before)
        throw new StrataError({
          code: 'elastic.bad-demand',
          what: 'time goes back',
          where,
          expected: `a time after ${before} s`,
          found: `${sample.seconds} s`,
          mend: 'Sort the recording by time, or leave out what was written before a clock was set.',
        });
      if (sample.seconds === before) {
        repeated++;
        return;
      }
      if (length === values[0]!.length) grow();
      for (const [at, name] of columns.entries()) values[at]![length] = sample[name];
      length++;
    },
    get length() {
      return length;
    },
    get warnings() {
      return repeated === 0
        ? []
        : [`${repeated.toLocaleString('en-US')} samples have the time of the one before and are left out.`];
    },
    finish(name, where, { allocator, technique, vfio = false, totalMib } = {}) {
      const resident = column('residentMib');
      const seconds = column('seconds');
      const start = seconds[0] ?? 0;
      const total = totalMib ?? column('totalMib').reduce((most, value) => (value > most ? value : most), 0);
      const usedMib = column('usedMib');
      const usedHugeMib = column('usedHugeMib');
      refuseTooMuch([usedMib, usedHugeMib], total, where);
      return checkDemand(
        {
          name,
          seconds: seconds.map((time) => time - start),
          usedMib,
          usedHugeMib,
          totalMib: total,
          allocator,
          recorded: resident.some(Number.isNaN) ? undefined : { residentMib: resident, technique, vfio },
        },
        where,
      );
    },
  };
}

/** A VM that uses more than it has was recorded in another unit, or with another size. */
function refuseTooMuch(used: readonly Float64Array[], totalMib: number, where: string): void {
  if (!(totalMib > 0)) return;
  for (const values of used) {
    const at = values.findIndex((value) => value > totalMib * usedSlack + 2);
    if (at < 0) continue;
    throw new StrataError({
      code: 'elastic.bad-demand',
      what: `sample ${at + 1} uses more than the VM has`,
      where,
      expected: `at most ${totalMib.toFixed(0)} MiB`,
      found: `${values[at]!.toFixed(0)} MiB`,
      mend: 'Give the size of the VM with --total-gib, and look at the units of the columns.',
    });
  }
}
