import type { Random } from './random.ts';
import { policies } from './replacement/policies.ts';
import type { Future } from './replacement/policy.ts';
import type { Geometry, TagStore } from './tag-store.ts';

/**
 * A set-associative store, interpreted: written to be read. `print/` prints the same for one geometry where speed matters.
 * @param random draws victims under policy `random`
 * @param future for policy `oracle` only
 * @throws StrataError for an unknown policy, or one that the geometry does not suit
 */
export function createTagStore({ sets, ways, policy }: Geometry, random: Random, future?: Future): TagStore {
  const replacement = policies.get(policy).create(sets, ways, { random, future });
  const keys = new Float64Array(sets * ways).fill(-1);

  function wayOf(set: number, key: number): number {
    for (let way = 0; way < ways; way++) if (keys[set * ways + way] === key) return way;
    return -1;
  }

  return {
    sets,
    ways,
    slots: sets * ways,
    lookup(key) {
      const set = key % sets;
      const way = wayOf(set, key);
      if (way < 0) return -1;
      replacement.hit(set, way);
      return set * ways + way;
    },
    peek(key) {
      const set = key % sets;
      const way = wayOf(set, key);
      return way < 0 ? -1 : set * ways + way;
    },
    insert(key) {
      const set = key % sets;
      const empty = wayOf(set, -1);
      const way = empty >= 0 ? empty : replacement.victim(set);
      keys[set * ways + way] = key;
      replacement.fill(set, way);
      return set * ways + way;
    },
    remove(key) {
      const set = key % sets;
      const way = wayOf(set, key);
      if (way < 0) return false;
      keys[set * ways + way] = -1;
      replacement.remove(set, way);
      return true;
    },
    keyAt: (slot) => keys[slot]!,
    clear() {
      keys.fill(-1);
      replacement.clear();
    },
  };
}
