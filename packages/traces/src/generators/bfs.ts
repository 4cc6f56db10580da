import { integer } from '@strata/model/machine';
import { defineGenerator, sizeField } from './generator.ts';
import { createPermutation } from './permutation.ts';

const wordBytes = 8;

export const bfs = defineGenerator({
  name: 'bfs',
  summary: 'searches a random graph breadth first: queue, offsets, edges, parents',
  source:
    'top-down step of Graph500 over compressed sparse rows; edges drawn when first looked at (deferred decisions)',
  spec: {
    size: sizeField(4096),
    degree: integer(16, 'edges that leave each vertex', { min: 1, max: 2 ** 20, source: 'Graph500 edge factor' }),
  },
  create({ size, degree }, random, base) {
    const vertices = Math.max(1, Math.floor(size / wordBytes / (3 + degree)));
    const regionBytes = vertices * wordBytes;
    const offsets = base;
    const parents = base + regionBytes;
    const queue = base + 2 * regionBytes;
    const edges = base + 3 * regionBytes;
    // The order of discovery is a random permutation, so that "seen already" is a comparison of ranks and needs no memory.
    const vertexOfRank = createPermutation(vertices, random);
    let head = 0;
    let discovered = 0;
    let vertex = 0;
    let edge = degree;

    return (emit) => {
      if (edge === degree) {
        if (head === vertices) head = discovered = 0;
        if (head === discovered) {
          emit.store(queue + discovered * wordBytes, wordBytes, 0);
          discovered++;
        }
        vertex = vertexOfRank(head);
        emit.load(queue + head * wordBytes, wordBytes, 1);
        emit.load(offsets + vertex * wordBytes, wordBytes, 2);
        head++;
        edge = 0;
      }
      emit.load(edges + (vertex * degree + edge) * wordBytes, wordBytes, 3);
      edge++;
      // The edge's other end is any vertex: one not discovered yet with the probability of their share.
      const end = random.below(vertices);
      const isNew = end >= discovered;
      const neighbour = vertexOfRank(isNew ? discovered : end);
      emit.load(parents + neighbour * wordBytes, wordBytes, 4);
      if (!isNew) return;
      emit.store(parents + neighbour * wordBytes, wordBytes, 5);
      emit.store(queue + discovered * wordBytes, wordBytes, 6);
      discovered++;
    };
  },
});
