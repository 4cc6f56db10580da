export { type AifmAbsentWord, decodeAifmWord, encodeAifmWord } from './aifm-word.ts';
export { BYTES_PER_HANDLE } from './handle-table.ts';
export { type Group, type Handle, type Location, MISS } from './words.ts';
