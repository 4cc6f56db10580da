import type { ReplacementPolicy } from './policy.ts';

/** A way drawn uniformly from the seeded generator of the structure. */
export const random: ReplacementPolicy = {
  name: 'random',
  summary: 'replaces an entry drawn at random (seeded)',
  source: 'Arm Cortex-A cores (TRM: pseudo-random replacement)',
  repeatsChangeNothing: true,
  create(_sets, ways, resources) {
    return { hit() {}, fill() {}, remove() {}, victim: () => resources.random.below(ways), clear() {} };
  },
  print({ ways, randoms }) {
    return {
      declare: '',
      hit: '',
      fill: '',
      remove: '',
      victim: `slot = row + ${randoms}[instance].below(${ways});`,
      victimFindsEmpty: false,
      clear: '',
    };
  },
};
