import { integer, real } from '@strata/model/machine';
import { defineGenerator, sizeField } from './generator.ts';

export const strided = defineGenerator({
  name: 'strided',
  summary: 'jumps by a fixed stride, then starts again one element further',
  source: 'column-wise walk of a row-major matrix',
  spec: {
    size: sizeField(4096),
    strideBytes: integer(4096, 'distance of successive accesses', { unit: 'bytes', min: 1, max: 2 ** 40 }),
    elementBytes: integer(8, 'bytes accessed at a time', { unit: 'bytes', min: 1, max: 64 }),
    stores: real(0, 'share of accesses that write', { min: 0, max: 1 }),
  },
  create({ size, strideBytes, elementBytes, stores }, random, base) {
    const last = size - elementBytes;
    let column = 0;
    let offset = 0;
    return (emit) => {
      if (random.unit() < stores) emit.store(base + offset, elementBytes, 1);
      else emit.load(base + offset, elementBytes, 0);
      offset += strideBytes;
      if (offset <= last) return;
      column += elementBytes;
      if (column >= strideBytes || column > last) column = 0;
      offset = column;
    };
  },
});
