/**
 * The 64-bit word of AIFM's remoteable pointer while its object is away (specs/far-memory.md A1.2), for those who read AIFM beside this
 * library: 8 bits data structure, bit 8 absent, bit 9 shared, 16 bits total size, 38 bits object id. Handles here are words of their own
 * kind (words.ts): a place of 28 bits leaves room for the same flags, and size and id lie in arrays beside it.
 */
export type AifmAbsentWord =
  | { readonly kind: 'null' }
  | {
      readonly kind: 'absent';
      /** 0 for plain pointers, up to 255. */
      readonly dataStructure: number;
      readonly isShared: boolean;
      /** Header, data and id together, bytes, up to 65,535. */
      readonly totalBytes: number;
      /** Below 2^38. */
      readonly objectId: bigint;
    };

const absentBit = 1n << 8n;
const sharedBit = 1n << 9n;
const sizeShift = 10n;
const idShift = 26n;
const idBits = 38n;
const lowByte = 0xffn;

/** @throws RangeError for a field that does not fit its bits */
export function encodeAifmWord(word: AifmAbsentWord): bigint {
  if (word.kind === 'null') return absentBit;
  const fields = [
    ['the data structure', BigInt(word.dataStructure), 8n],
    ['the total size', BigInt(word.totalBytes), 16n],
    ['the object id', word.objectId, idBits],
  ] as const;
  for (const [name, value, bits] of fields)
    if (value < 0n || value >> bits !== 0n) throw new RangeError(`${name} must fit into ${bits} bits, found ${value}`);
  const [[, dataStructure], [, size], [, id]] = fields;
  return (id << idShift) | (size << sizeShift) | (word.isShared ? sharedBit : 0n) | absentBit | dataStructure;
}

/** Undefined for the word of an object that is present. The lowest byte of null means nothing. */
export function decodeAifmWord(word: bigint): AifmAbsentWord | undefined {
  if ((word & absentBit) === 0n) return undefined;
  if ((word & ~lowByte) === absentBit) return { kind: 'null' };
  return {
    kind: 'absent',
    dataStructure: Number(word & lowByte),
    isShared: (word & sharedBit) !== 0n,
    totalBytes: Number((word >> sizeShift) & 0xffffn),
    objectId: word >> idShift,
  };
}
