/**
 * A set of integers below a fixed capacity, as a tree of 32-bit words: a bit of an inner word says that the word below it is not 0. The
 * smallest member from any point on is found in as many steps as the tree is high. Several trees may share one array.
 */
export interface BitTreeLayout {
  /** Index of the first word of each level in the array, leaves first; the last level is one word. */
  readonly offsets: readonly number[];
  /** First word after this tree. */
  readonly end: number;
}

export function layOutBitTree(capacity: number, start: number): BitTreeLayout {
  const offsets: number[] = [];
  let end = start;
  let bits = capacity;
  do {
    const words = Math.ceil(bits / 32);
    offsets.push(end);
    end += words;
    bits = words;
  } while (bits > 1);
  return { offsets, end };
}

export function bitTreeHas(words: Uint32Array, layout: BitTreeLayout, member: number): boolean {
  return ((words[layout.offsets[0]! + (member >>> 5)]! >>> (member & 31)) & 1) === 1;
}

export function bitTreeAdd(words: Uint32Array, layout: BitTreeLayout, member: number): void {
  let position = member;
  for (const offset of layout.offsets) {
    const word = offset + (position >>> 5);
    const before = words[word]!;
    words[word] = before | (1 << (position & 31));
    if (before !== 0) return;
    position >>>= 5;
  }
}

export function bitTreeRemove(words: Uint32Array, layout: BitTreeLayout, member: number): void {
  let position = member;
  for (const offset of layout.offsets) {
    const word = offset + (position >>> 5);
    const after = words[word]! & ~(1 << (position & 31));
    words[word] = after;
    if (after !== 0) return;
    position >>>= 5;
  }
}

export function bitTreeIsEmpty(words: Uint32Array, layout: BitTreeLayout): boolean {
  return words[layout.end - 1] === 0;
}

/** The smallest member that is at least `from`, or -1. */
export function bitTreeNext(words: Uint32Array, layout: BitTreeLayout, from: number): number {
  const { offsets } = layout;
  let position = from;
  for (let level = 0; level < offsets.length; level++) {
    const wordIndex = position >>> 5;
    const levelEnd = level + 1 < offsets.length ? offsets[level + 1]! : layout.end;
    if (offsets[level]! + wordIndex >= levelEnd) return -1;
    const rest = words[offsets[level]! + wordIndex]! & (-1 << (position & 31));
    if (rest !== 0) return smallestBelow(words, offsets, level, wordIndex * 32 + lowestBit(rest));
    position = wordIndex + 1;
  }
  return -1;
}

function smallestBelow(words: Uint32Array, offsets: readonly number[], level: number, member: number): number {
  let position = member;
  for (let below = level - 1; below >= 0; below--)
    position = position * 32 + lowestBit(words[offsets[below]! + position]!);
  return position;
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
