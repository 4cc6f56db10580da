import { canCompile, compile } from '../machine/index.ts';
import type { FastPath, FreeTo } from './fast-path.ts';
import {
  childFree,
  childHuge,
  childShift,
  framesPerTree,
  hugeKind,
  kindsPerCore,
  type Layout,
  localFree,
  localOne,
  localPresent,
  localStride,
  rowShift,
  rowsPerChild,
  rowsPerChildShift,
  rowsPerTreeShift,
  treeFree,
  treeKindMask,
  treeKindShift,
  treeShift,
  wordsPerChild,
} from './layout.ts';

/** All bits of a reservation's free frames. */
const localFreeMask = localFree(-1) * localOne;

/**
 * The quick road of one thread that owns its memory, printed for the layout: every position a literal, no call. `wordsFastPath` does the same, at several
 * times the price (`llfree.bench.ts`). Undefined where code may not be made from text.
 */
export function printedFastPath(
  words: Int32Array,
  layout: Layout,
  freeTo: FreeTo,
  movableKind: number,
): FastPath | undefined {
  return canCompile() ? compile<FastPath>(print(layout, freeTo, movableKind), { words }) : undefined;
}

function print({ rowsAt, childrenAt, treesAt, localsAt, frames, cores }: Layout, freeTo: FreeTo, movableKind: number) {
  const local = `${localsAt} + (core * ${kindsPerCore} + (movable ? ${movableKind} : 0)) * ${localStride}`;
  // Apart from put(), which is then small enough to be inlined by engines. A tree that becomes wholly free may be taken for anything again (`head`).
  return `
  function freeToTree(tree) {
    const next = words[${treesAt} + tree] + 1;
    words[${treesAt} + tree] =
      (next & ${treeFree}) === ${framesPerTree} ? (next & ${~treeKindMask}) | ${hugeKind << treeKindShift} : next;
  }
  return {
    get(core, movable) {
      if (core >>> 0 !== core || core >= ${cores}) return -1;
      const local = ${local};
      const reserved = words[local];
      if ((reserved & ${localPresent}) === 0 || (reserved & ${localFreeMask}) === 0) return -1;
      const tree = reserved >>> 14;
      const hint = words[local + 1];
      const row = hint >> ${rowsPerTreeShift} === tree ? hint : tree << ${rowsPerTreeShift};
      const child = ${childrenAt} + (row >> ${rowsPerChildShift});
      const free = words[child];
      if ((free & ${childHuge}) !== 0 || (free & ${childFree}) === 0) return -1;
      const field = ${rowsAt} + (row >> ${rowsPerChildShift}) * ${wordsPerChild};
      const start = (row & ${rowsPerChild - 1}) << 1;
      for (let i = 0; i < ${wordsPerChild}; i++) {
        const word = field + ((start + i) & ${wordsPerChild - 1});
        const bits = words[word];
        if (bits === -1) continue;
        const bit = 31 - Math.clz32(~bits & (bits + 1));
        words[word] = bits | (1 << bit);
        words[child] = free - 1;
        words[local] = reserved - ${localOne};
        const frame = ((word - ${rowsAt}) << 5) + bit;
        if (frame >> ${rowShift} !== row) words[local + 1] = frame >> ${rowShift};
        return frame;
      }
      return -1;
    },
    put(core, frame, movable) {
      if (core >>> 0 !== core || core >= ${cores}) return false;
      if (frame >>> 0 !== frame || frame >= ${frames}) return false;
      const child = ${childrenAt} + (frame >> ${childShift});
      const word = ${rowsAt} + (frame >> 5);
      const mask = 1 << frame;
      const free = words[child];
      const bits = words[word];
      if ((free & ${childHuge}) !== 0 || (bits & mask) === 0) return false;
      words[word] = bits & ~mask;
      words[child] = free + 1;
      ${freeTo === 'tree' ? `words[${treesAt} + (frame >> ${treeShift})] = words[${treesAt} + (frame >> ${treeShift})] + 1;` : freeToReservation(local)}
      return true;
    },
  };`;
}

function freeToReservation(local: string): string {
  return `
      const local = ${local};
      const reserved = words[local];
      if ((reserved & ${localPresent}) !== 0 && reserved >>> 14 === frame >> ${treeShift}) words[local] = reserved + ${localOne};
      else freeToTree(frame >> ${treeShift});`;
}
