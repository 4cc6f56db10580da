/** LRU misses of every associativity at once, for one number of sets; what a sweep over ways would find point by point. */
export interface StackDistances {
  /** The next access of the stream. Keys: integers 0 to 2^53 - 1. */
  use(key: number): void;
  /** Accesses so far. */
  readonly accesses: number;
  /** Misses of a structure of `ways` ways under LRU, from 1 to `maxWays`. */
  misses(ways: number): number;
}

/**
 * Mattson's stack algorithm (IBM Systems Journal 1970): each set is a stack with the most recently used key on top. An access hits in every
 * structure with more ways than keys lie above its own; so one histogram of depths holds the misses of all associativities.
 */
export function createStackDistances(sets: number, maxWays: number): StackDistances {
  const stacks = new Float64Array(sets * maxWays).fill(-1);
  const atDepth = new Float64Array(maxWays);
  let accesses = 0;
  return {
    use(key) {
      accesses++;
      const top = (key % sets) * maxWays;
      let above = stacks[top]!;
      if (above === key) {
        atDepth[0]! += 1;
        return;
      }
      stacks[top] = key;
      for (let depth = 1; depth < maxWays; depth++) {
        const here = stacks[top + depth]!;
        stacks[top + depth] = above;
        if (here === key) {
          atDepth[depth]! += 1;
          return;
        }
        above = here;
      }
    },
    get accesses() {
      return accesses;
    },
    misses(ways) {
      let hits = 0;
      for (let depth = 0; depth < ways; depth++) hits += atDepth[depth]!;
      return accesses - hits;
    },
  };
}
