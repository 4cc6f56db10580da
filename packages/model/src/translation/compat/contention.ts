import { createRandom, type Random } from '../../machine/random.ts';
import { Counted, type LineCache } from './cache.ts';

/** Requests for random lines that stand for the neighbours' traffic. The drawn lines are ours: the original draws with the C library. */
export interface Injector {
  inject(cache: LineCache): void;
}

/** Beyond every physical address, so that an injected line is never one of the program's. */
const firstInjectedLine = 2 ** 47;

/** @param perHundred expected requests per hundred references; undefined result when there are none */
export function contentionInjector(perHundred: number, seed: number): Injector | undefined {
  if (perHundred === 0) return undefined;
  const random: Random = createRandom(seed);
  return {
    inject(cache) {
      let due = perHundred;
      while (due >= 100 || (due > 0 && random.below(100) < due)) {
        cache.request(firstInjectedLine + random.uint32(), Counted.demand);
        due -= 100;
      }
    },
  };
}
