import { flag, integer, real } from '@strata/model/machine';
import { defineGenerator, sizeField } from './generator.ts';
import { createPermutation } from './permutation.ts';
import { createZipfRanks } from './zipf-ranks.ts';

export const zipf = defineGenerator({
  name: 'zipf',
  summary: 'reads and writes objects whose popularity follows a power law',
  source:
    'key popularity of YCSB (SoCC 2010), exponent 0.99; sampled by rejection-inversion (Hoermann and Derflinger 1996)',
  spec: {
    size: sizeField(64),
    objectBytes: integer(64, 'distance of objects', { unit: 'bytes', min: 8, max: 2 ** 30 }),
    exponent: real(0.99, 'steepness; 0.5 is nearly flat, 1.5 very hot', { min: 0.01, max: 10, source: 'YCSB zipfian' }),
    stores: real(0.1, 'share of operations that write', { min: 0, max: 1 }),
    scattered: flag(true, 'popular objects lie anywhere; otherwise side by side at the start'),
  },
  create({ size, objectBytes, exponent, stores, scattered }, random, base) {
    const objects = Math.max(1, Math.floor(size / objectBytes));
    const nextRank = createZipfRanks(objects, exponent, random);
    const placeOf = scattered ? createPermutation(objects, random) : (rank: number) => rank;
    return (emit) => {
      const object = base + placeOf(nextRank()) * objectBytes;
      if (random.unit() < stores) emit.store(object, 8, 1);
      else emit.load(object, 8, 0);
    };
  },
});
