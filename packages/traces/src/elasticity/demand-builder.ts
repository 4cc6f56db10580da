import { checkDemand, type Demand } from '@strata/model/elasticity';

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
  add(sample: Sample): void;
  readonly length: number;
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

export function createDemandBuilder(): DemandBuilder {
  const samples: Sample[] = [];
  return {
    add: (sample) => {
      samples.push(sample);
    },
    get length() {
      return samples.length;
    },
    finish(name, where, { allocator, technique, vfio = false, totalMib } = {}) {
      const column = (key: keyof Sample) => Float64Array.from(samples, (sample) => sample[key]);
      const resident = column('residentMib');
      const largest = samples.reduce((most, sample) => (sample.totalMib > most ? sample.totalMib : most), 0);
      const start = samples[0]?.seconds ?? 0;
      return checkDemand(
        {
          name,
          seconds: column('seconds').map((seconds) => seconds - start),
          usedMib: column('usedMib'),
          usedHugeMib: column('usedHugeMib'),
          totalMib: totalMib ?? largest,
          allocator,
          recorded: resident.some(Number.isNaN) ? undefined : { residentMib: resident, technique, vfio },
        },
        where,
      );
    },
  };
}
