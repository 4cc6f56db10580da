/**
 * Buffers for answers, used again: a large buffer that is made anew for each answer costs page faults while it is filled and collections
 * afterwards, more than all else that a read costs here (client/far-agent.bench.ts).
 */
export interface FramePool {
  /** A buffer of at least so many bytes, with anything in it. */
  take(bytes: number): Buffer;
  /** It may be taken again. Only what `take` gave, and once. */
  give(buffer: Buffer): void;
}

/** Below this the runtime's own pool of small buffers serves as well. */
const leastPooledBytes = 4096;
/** Answers above this are rare, and not worth the memory. */
const mostPooledBytes = 2 ** 20;
/** Kept at most, of all sizes. */
const mostIdleBytes = 8 * 2 ** 20;

export function createFramePool(): FramePool {
  /** By the power of two that is their size. */
  const idle = new Map<number, Buffer[]>();
  let idleBytes = 0;
  return {
    take(bytes) {
      if (bytes < leastPooledBytes) return Buffer.allocUnsafe(bytes);
      if (bytes > mostPooledBytes) return Buffer.allocUnsafeSlow(bytes);
      const size = 2 ** Math.ceil(Math.log2(bytes));
      const found = idle.get(size)?.pop();
      if (found === undefined) return Buffer.allocUnsafeSlow(size);
      idleBytes -= size;
      return found;
    },
    give(buffer) {
      const size = buffer.byteLength;
      if (size < leastPooledBytes || size > mostPooledBytes || idleBytes + size > mostIdleBytes) return;
      // A small one of the runtime's pool shares its memory with others.
      if (buffer.buffer.byteLength !== size) return;
      idleBytes += size;
      const list = idle.get(size);
      if (list) list.push(buffer);
      else idle.set(size, [buffer]);
    },
  };
}
