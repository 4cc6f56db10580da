/** Bytes of one slab buffer; larger blocks get a buffer of their own. */
const SLAB_BYTES: number = 2 ** 20;
const SMALLEST_CLASS_BYTES = 16;

/** Blocks of byte ranges outside the JavaScript heap, in classes of powers of two and their halves above (16, 24, 32, 48, ...). */
export interface Slabs {
  allocate(bytes: number): number;
  /** The first `length` bytes of a block. */
  view(block: number, length: number): Uint8Array;
  release(block: number, bytes: number): void;
  /** Bytes of all buffers. */
  reservedBytes(): number;
}

interface SizeClass {
  readonly blockBytes: number;
  readonly free: number[];
}

/** Blocks are numbered across buffers: buffer * BLOCKS_PER_BUFFER + place in it. */
const BLOCKS_PER_BUFFER: number = SLAB_BYTES / SMALLEST_CLASS_BYTES;

export function classBytes(bytes: number): number {
  if (bytes <= SMALLEST_CLASS_BYTES) return SMALLEST_CLASS_BYTES;
  const power = 2 ** (31 - Math.clz32(bytes - 1));
  return bytes <= power * 1.5 ? power * 1.5 : power * 2;
}

export function createSlabs(): Slabs {
  const buffers: Uint8Array[] = [];
  const blockSizes: number[] = [];
  const classes = new Map<number, SizeClass>();
  let reserved = 0;

  function refill(sizeClass: SizeClass): void {
    const { blockBytes, free } = sizeClass;
    const count = Math.max(1, Math.floor(SLAB_BYTES / blockBytes));
    const first = buffers.length * BLOCKS_PER_BUFFER;
    buffers.push(new Uint8Array(count * blockBytes));
    blockSizes.push(blockBytes);
    reserved += count * blockBytes;
    for (let index = count - 1; index >= 0; index--) free.push(first + index);
  }

  function classOf(bytes: number): SizeClass {
    const blockBytes = classBytes(bytes);
    const known = classes.get(blockBytes);
    if (known) return known;
    const added = { blockBytes, free: [] };
    classes.set(blockBytes, added);
    return added;
  }

  return {
    allocate(bytes) {
      const sizeClass = classOf(bytes);
      if (sizeClass.free.length === 0) refill(sizeClass);
      return sizeClass.free.pop()!;
    },
    view(block, length) {
      const buffer = Math.floor(block / BLOCKS_PER_BUFFER);
      const start = (block % BLOCKS_PER_BUFFER) * blockSizes[buffer]!;
      return buffers[buffer]!.subarray(start, start + length);
    },
    release(block, bytes) {
      classOf(bytes).free.push(block);
    },
    reservedBytes: () => reserved,
  };
}
