import { integer } from '@strata/model/machine';
import { defineGenerator, sizeField } from './generator.ts';

export const sequential = defineGenerator({
  name: 'sequential',
  summary: 'walks several arrays side by side from end to end, again and again',
  source: 'STREAM triad (McCalpin): two arrays read, one written',
  spec: {
    size: sizeField(4096),
    elementBytes: integer(8, 'bytes accessed at a time', { unit: 'bytes', min: 1, max: 64 }),
    loads: integer(2, 'arrays read', { max: 64 }),
    stores: integer(1, 'arrays written', { max: 64 }),
  },
  create({ size, elementBytes, loads, stores }, _random, base) {
    // Without any array there would be nothing to do: read one.
    const reads = loads + stores === 0 ? 1 : loads;
    const elements = Math.max(1, Math.floor(size / (reads + stores) / elementBytes));
    const arrayBytes = elements * elementBytes;
    let element = 0;
    return (emit) => {
      const offset = element * elementBytes;
      for (let array = 0; array < reads; array++) emit.load(base + array * arrayBytes + offset, elementBytes, array);
      for (let array = reads; array < reads + stores; array++)
        emit.store(base + array * arrayBytes + offset, elementBytes, array);
      element = element + 1 === elements ? 0 : element + 1;
    };
  },
});
