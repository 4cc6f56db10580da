import type { Line } from './address.ts';
import type { Random } from './random.ts';
import { policies } from './replacement/policies.ts';
import type { Geometry } from './tag-store.ts';

/** A leaning of a cache's replacement policy towards lines that are to be kept, while translation is under pressure. */
export interface CacheBias {
  /** Caches that lean, by name. */
  readonly caches: readonly ('l2' | 'llc')[];
  /** Whether a line is to be kept; `byWalk` = it was read by the page walker. */
  keeps(line: Line, byWalk: boolean): boolean;
  /** How often another victim is asked for when the policy names a line that is to be kept. */
  readonly attempts: number;
  /** Last-level TLB misses per thousand accesses from which on the caches lean; 0 = always. */
  readonly missesPerThousand: number;
}

/** Accesses over which the pressure is measured, before it decides about as many. Assumed: short beside a phase, long beside a burst. */
const windowAccesses = 8192;

/** Whether translation is under pressure: the rate of TLB misses in the window before. */
export interface TranslationPressure {
  /** @param count of accesses, one after another */
  access(count: number): void;
  miss(): void;
  readonly isHigh: boolean;
}

/** @param turned told when `isHigh` has changed, and at the start */
export function createPressure(
  missesPerThousand: number,
  turned: (isHigh: boolean) => void = () => {},
): TranslationPressure {
  let accesses = 0;
  let misses = 0;
  let isHigh = missesPerThousand === 0;
  turned(isHigh);
  return {
    access(count) {
      accesses += count;
      for (; accesses >= windowAccesses; accesses -= windowAccesses) {
        isHigh = 1000 * misses >= missesPerThousand * windowAccesses;
        turned(isHigh);
        misses = 0;
      }
    },
    miss() {
      misses++;
    },
    get isHigh() {
      return isHigh;
    },
  };
}

/** A cache whose policy is overruled where it names a kept line: that line counts as used, and the policy is asked again. */
export interface BiasedStore {
  /** True on a hit; on a miss the line is placed. */
  touch(line: Line, kept: boolean): boolean;
  clear(): void;
}

/** The policy of the geometry, leaning; without pressure it decides alone. */
export function createBiasedStore(
  { sets, ways, policy }: Geometry,
  random: Random,
  attempts: number,
  pressure: Pick<TranslationPressure, 'isHigh'>,
): BiasedStore {
  const replacement = policies.get(policy).create(sets, ways, { random });
  // After as many as the set has ways, all of its lines are to be kept, and the policy decides.
  const most = Math.min(attempts, ways);
  const lines = new Float64Array(sets * ways).fill(-1);
  const isKept = new Uint8Array(sets * ways);

  function victimOf(set: number): number {
    let way = replacement.victim(set);
    if (!pressure.isHigh) return way;
    for (let attempt = 0; attempt < most && isKept[set * ways + way] === 1; attempt++) {
      replacement.hit(set, way);
      way = replacement.victim(set);
    }
    return way;
  }

  return {
    touch(line, kept) {
      const set = line % sets;
      const row = set * ways;
      let empty = -1;
      for (let way = 0; way < ways; way++) {
        const held = lines[row + way]!;
        if (held === line) {
          if (kept) isKept[row + way] = 1;
          replacement.hit(set, way);
          return true;
        }
        if (held < 0 && empty < 0) empty = way;
      }
      const way = empty >= 0 ? empty : victimOf(set);
      lines[row + way] = line;
      isKept[row + way] = kept ? 1 : 0;
      replacement.fill(set, way);
      return false;
    },
    clear() {
      lines.fill(-1);
      isKept.fill(0);
      replacement.clear();
    },
  };
}
