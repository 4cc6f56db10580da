import { integer, real } from '@strata/model/machine';
import { defineGenerator, sizeField } from './generator.ts';
import { createPermutation } from './permutation.ts';
import { createZipfRanks } from './zipf-ranks.ts';

const keyBytes = 8;
/** Site of the load of a child pointer or value; the key comparisons come before it. */
const pointerSite = 1;

export const btree = defineGenerator({
  name: 'btree',
  summary: 'looks keys up in a B+ tree: a binary search in each node from the root to a leaf',
  source: 'the look-up phase of BTree in the vMitosis (ASPLOS 2021) workloads, with implicit full nodes',
  spec: {
    size: sizeField(4096),
    fanout: integer(64, 'keys and children of a node', { min: 2, max: 1024 }),
    exponent: real(0, 'popularity of keys: 0 = uniform, else the exponent of a Zipf law', { min: 0, max: 10 }),
  },
  create({ size, fanout, exponent }, random, base) {
    const nodeBytes = 2 * fanout * keyBytes;
    const leaves = leavesIn(size, nodeBytes, fanout);
    const levels = levelsOver(leaves, fanout, nodeBytes);
    const keys = leaves * fanout;
    const nextRank = exponent === 0 ? () => random.below(keys) : createZipfRanks(keys, exponent, random);
    const keyOf = exponent === 0 ? (rank: number) => rank : createPermutation(keys, random);
    return (emit) => {
      const key = keyOf(nextRank());
      for (const { offset, keysBelow } of levels) {
        const child = Math.floor(key / keysBelow);
        const node = base + offset + Math.floor(child / fanout) * nodeBytes;
        const slot = child % fanout;
        for (let low = 0, high = fanout; high - low > 1; ) {
          const middle = (low + high) >> 1;
          emit.load(node + middle * keyBytes, keyBytes, 0);
          if (middle <= slot) low = middle;
          else high = middle;
        }
        emit.load(node + (fanout + slot) * keyBytes, keyBytes, pointerSite);
      }
    };
  },
});

interface Level {
  /** Of the level's first node, from the base. */
  readonly offset: number;
  /** Keys below one child (1 in leaves). */
  readonly keysBelow: number;
}

/** Most leaves whose tree still fits. Each level above takes a fanout-th of the one below. */
function leavesIn(size: number, nodeBytes: number, fanout: number): number {
  let low = 1;
  let high = Math.max(2, Math.floor(size / nodeBytes) + 1);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (nodesOver(middle, fanout) * nodeBytes <= size) low = middle;
    else high = middle;
  }
  return low;
}

function nodesOver(leaves: number, fanout: number): number {
  let nodes = leaves;
  for (let level = leaves; level > 1; nodes += level) level = Math.ceil(level / fanout);
  return nodes;
}

/** From the root to the leaves, which lie in this order too. */
function levelsOver(leaves: number, fanout: number, nodeBytes: number): Level[] {
  const counts = [leaves];
  while (counts[0]! > 1) counts.unshift(Math.ceil(counts[0]! / fanout));
  let offset = 0;
  return counts.map((nodes, index) => {
    const level = { offset, keysBelow: fanout ** (counts.length - 1 - index) };
    offset += nodes * nodeBytes;
    return level;
  });
}
