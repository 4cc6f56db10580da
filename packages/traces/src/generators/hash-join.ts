import { integer, real } from '@strata/model/machine';
import { defineGenerator, sizeField } from './generator.ts';
import { createPermutation } from './permutation.ts';

export const hashJoin = defineGenerator({
  name: 'hash-join',
  summary: 'builds a hash table from one relation and probes it with another',
  source: 'no-partitioning hash join (Blanas et al., SIGMOD 2011)',
  spec: {
    size: sizeField(4096),
    tupleBytes: integer(16, 'bytes of a tuple and of a bucket', { unit: 'bytes', min: 16, max: 4096 }),
    probesPerTuple: integer(4, 'size of the probing relation over that of the building one', { min: 1, max: 1024 }),
    matches: real(1, 'share of probes that find a partner', { min: 0, max: 1 }),
  },
  create({ size, tupleBytes, probesPerTuple, matches }, random, base) {
    const tuples = Math.max(1, Math.floor(size / tupleBytes / (2 + probesPerTuple)));
    const probes = tuples * probesPerTuple;
    const building = base;
    const table = base + tuples * tupleBytes;
    const probing = table + tuples * tupleBytes;
    // Keys are unique, one per bucket.
    const bucketOf = createPermutation(tuples, random);
    let next = 0;
    return (emit) => {
      if (next < tuples) {
        const bucket = table + bucketOf(next) * tupleBytes;
        emit.load(building + next * tupleBytes, 8, 0);
        emit.load(bucket, 8, 1);
        emit.store(bucket, 8, 2);
        emit.store(bucket + 8, 8, 3);
      } else {
        const bucket = table + random.below(tuples) * tupleBytes;
        emit.load(probing + (next - tuples) * tupleBytes, 8, 4);
        emit.load(bucket, 8, 5);
        if (random.unit() < matches) emit.load(bucket + 8, 8, 6);
      }
      next = next + 1 === tuples + probes ? 0 : next + 1;
    };
  },
});
