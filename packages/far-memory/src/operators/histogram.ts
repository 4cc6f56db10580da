import { FarOperatorError } from '../errors.ts';
import type { Operator } from './operator.ts';
import { doublesOf, pack, unpack } from './pack.ts';
import { readWhere } from './predicate.ts';
import { columnParameter, isCount, type RelationArgument, readRelation } from './relation.ts';

const maxBins = 1e6;

/**
 * How many values fall into each of `bins` equal parts of `min` to `max`, the last including `max`: parameters `column`, `min`, `max`, `bins`,
 * `where`; result `count` (f64, one per bin), and `outside` with the numbers of values below, above and NaN.
 */
export const histogram: Operator = {
  name: 'histogram',
  version: 1,
  plan(argument, objects) {
    const relation = readRelation(argument, objects);
    readBins(relation);
    return relation.plan;
  },
  start(argument, objects) {
    const relation = readRelation(argument, objects);
    const column = columnParameter(relation);
    const where = readWhere(relation);
    const { min, max, bins } = readBins(relation);
    const count = new Float64Array(bins);
    const outside = new Float64Array(3);
    return {
      add(unit, chunks) {
        const block = relation.block(unit, chunks);
        const mask = where(block);
        const values = block.column(column);
        for (let row = 0; row < block.rows; row++) {
          if (mask !== undefined && mask[row] === 0) continue;
          const value = Number(values[row]);
          if (value >= min && value <= max)
            count[Math.min(bins - 1, Math.floor(((value - min) / (max - min)) * bins))]! += 1;
          else outside[value < min ? 0 : value > max ? 1 : 2]! += 1;
        }
      },
      finish: () => pack(null, { count, outside }),
    };
  },
  combine(partials, argument, objects) {
    const { bins } = readBins(readRelation(argument, objects));
    const count = new Float64Array(bins);
    const outside = new Float64Array(3);
    for (const packed of partials.map(unpack)) {
      for (const [bin, more] of doublesOf(packed, 'count').entries()) count[bin]! += more;
      for (const [place, more] of doublesOf(packed, 'outside').entries()) outside[place]! += more;
    }
    return pack(null, { count, outside });
  },
};

function readBins({ params }: RelationArgument): { min: number; max: number; bins: number } {
  const { min, max, bins } = params;
  if (typeof min !== 'number' || typeof max !== 'number' || !(min < max) || !Number.isFinite(max - min))
    throw new FarOperatorError(`min and max must be finite numbers, min the smaller; found ${min} and ${max}`);
  if (!isCount(bins) || bins < 1 || bins > maxBins)
    throw new FarOperatorError(`bins must be a whole number from 1 to ${maxBins}, found ${bins}`);
  return { min, max, bins };
}
