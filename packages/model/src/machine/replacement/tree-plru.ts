import { StrataError } from '../errors.ts';
import type { ReplacementPolicy } from './policy.ts';

/**
 * Tree pseudo-LRU: a binary tree over the ways, one bit per inner node. A use turns the bits on its path away from itself; the victim is
 * where the bits lead. Node 1 is the root, the leaf of a way is node `ways + way`; bit 0 leads to the lower half.
 */
export const treePlru: ReplacementPolicy = {
  name: 'tree-plru',
  summary: 'approximates LRU by a tree of one bit per inner node; ways must be a power of two',
  source: 'Hennessy and Patterson, Computer Architecture, appendix B; as in Intel and Arm caches',
  repeatsChangeNothing: true,
  create(sets, ways) {
    checkWays(ways);
    const bits = new Uint8Array(sets * ways);
    const use = (set: number, way: number) => {
      for (let node = ways + way; node > 1; node >>= 1) bits[set * ways + (node >> 1)] = (node & 1) ^ 1;
    };
    return {
      hit: use,
      fill: use,
      remove() {},
      victim(set) {
        let node = 1;
        while (node < ways) node = 2 * node + bits[set * ways + node]!;
        return node - ways;
      },
      clear: () => {
        bits.fill(0);
      },
    };
  },
  print({ prefix, sets, ways, instances }) {
    checkWays(ways);
    const bits = `${prefix}bits`;
    const use = `for (let node = slot - row + ${ways}; node > 1; node >>= 1) ${bits}[row + (node >> 1)] = (node & 1) ^ 1;`;
    return {
      declare: `const ${bits} = new Uint8Array(${instances * sets * ways});`,
      hit: use,
      fill: use,
      remove: '',
      victim: `let node = 1; while (node < ${ways}) node = 2 * node + ${bits}[row + node]; slot = row + node - ${ways};`,
      victimFindsEmpty: false,
      clear: `${bits}.fill(0);`,
    };
  },
};

function checkWays(ways: number): void {
  if ((ways & (ways - 1)) === 0) return;
  const lower = 2 ** Math.floor(Math.log2(ways));
  throw new StrataError({
    code: 'machine.impossible-geometry',
    what: 'tree-plru needs a binary tree over the ways',
    expected: 'ways that are a power of two',
    found: String(ways),
    mend: `Use ${lower} or ${lower * 2} ways, or policy lru.`,
  });
}
