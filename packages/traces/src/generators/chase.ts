import { integer } from '@strata/model/machine';
import { defineGenerator, sizeField } from './generator.ts';
import { createPermutation } from './permutation.ts';

const pointerBytes = 8;

export const chase = defineGenerator({
  name: 'chase',
  summary: 'follows a shuffled linked list through all nodes, round after round',
  source: 'pointer chase as in lmbench lat_mem_rd with a random cycle',
  spec: {
    size: sizeField(64),
    nodeBytes: integer(64, 'distance of nodes', { unit: 'bytes', min: 8, max: 2 ** 30 }),
    loads: integer(1, 'fields read in each node besides the pointer', { max: 64 }),
    stores: integer(0, 'fields written in each node', { max: 64 }),
  },
  create({ size, nodeBytes, loads, stores }, random, base) {
    const nodes = Math.max(1, Math.floor(size / nodeBytes));
    const nodeAt = createPermutation(nodes, random);
    const fields = Math.max(1, Math.floor(nodeBytes / pointerBytes));
    let step = 0;
    return (emit) => {
      const node = base + nodeAt(step) * nodeBytes;
      step = step + 1 === nodes ? 0 : step + 1;
      for (let field = 1; field <= loads; field++)
        emit.load(node + (field % fields) * pointerBytes, pointerBytes, field);
      for (let field = 1; field <= stores; field++)
        emit.store(node + (field % fields) * pointerBytes, pointerBytes, loads + field);
      emit.load(node, pointerBytes, 0);
    };
  },
});
