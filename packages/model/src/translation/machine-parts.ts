import type { CacheBias } from '../machine/biased-store.ts';
import { type CacheHierarchy, createHierarchy } from '../machine/cache-hierarchy.ts';
import { createFirstLevel, type FirstLevel } from '../machine/first-level.ts';
import { walkerGeometryOf } from '../machine/machine-config.ts';
import { createPayloadStore, type PayloadStore, RecencyStore } from '../machine/payload-store.ts';
import { createPrintedHierarchy, createPrintedTagStore, createPrintedTlb } from '../machine/print/index.ts';
import { createRandom } from '../machine/random.ts';
import { createTagStore } from '../machine/set-associative.ts';
import type { Geometry } from '../machine/tag-store.ts';
import { createTlb, type Tlb } from '../machine/tlb.ts';
import type { TranslationConfig } from './config.ts';
import type { WalkerMachine } from './design.ts';

/** Ways up to which shifting a set by hand is faster than a clock. */
const shiftedWays = 32;

/** The machine of one simulation, built. */
export interface MachineParts {
  readonly cores: number;
  readonly tlb: Tlb;
  readonly walkerMachine: WalkerMachine;
  /** The caches of one design, empty. Whatever else runs, each design's caches draw the same random victims. */
  createCaches(bias?: CacheBias): CacheHierarchy;
  /** What all designs' caches have in common; none when interpreted. */
  readonly firstLevel: FirstLevel | undefined;
  /** A maker of walk caches for one design. */
  createStores(): (geometry: Geometry, instances: number) => PayloadStore;
}

/** @param levels of the process' tables, which say how many bits of a page number count */
export function createMachineParts(
  { machine, engine, seed }: Pick<TranslationConfig, 'machine' | 'engine' | 'seed'>,
  levels: 4 | 5,
): MachineParts {
  const printed = engine === 'printed';
  const tlbOptions = { cores: machine.cores, tlb: machine.tlb, pageNumberBits: levels === 4 ? 36 : 45 } as const;
  return {
    cores: machine.cores,
    tlb: (printed ? createPrintedTlb : createTlb)(tlbOptions, createRandom(seed)),
    walkerMachine: walkerGeometryOf(machine),
    createCaches: (bias) => (printed ? createPrintedHierarchy : createHierarchy)(machine, createRandom(seed), bias),
    firstLevel: printed ? createFirstLevel(machine, createRandom(seed)) : undefined,
    createStores() {
      const random = createRandom(seed);
      return (geometry, instances) => {
        const draws = Array.from({ length: instances }, () => random.fork());
        if (printed && geometry.policy === 'lru' && geometry.ways <= shiftedWays)
          return new RecencyStore(geometry, instances);
        let next = 0;
        return createPayloadStore(instances, () =>
          (printed ? createPrintedTagStore : createTagStore)(geometry, draws[next++]!),
        );
      };
    },
  };
}
