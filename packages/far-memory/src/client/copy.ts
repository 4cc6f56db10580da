/** Below this a detour costs more than it saves. */
const shortBytes = 512;
const wordBytes = 8;
const stagingBytes = 64 * 1024;
const staging = new Uint8Array(stagingBytes + wordBytes);

/**
 * `into.set(from, at)` for bytes that may lie anywhere. The engine copies into shared memory word by word where both sides are aligned
 * alike, and byte by byte at a quarter of the speed where they are not, as objects in the middle of a stream are (5.3 us per 8 KiB); so
 * those go through memory that is not shared, where copying does not ask for alignment (2.3 us).
 */
export function copyBytes(into: Uint8Array, at: number, from: Uint8Array, offset: number, bytes: number): void {
  const source = from.byteOffset + offset;
  const shift = (into.byteOffset + at) % wordBytes;
  const isAlike = source % wordBytes === shift;
  if (isAlike || bytes < shortBytes || !(into.buffer instanceof SharedArrayBuffer)) {
    // Not the subarray() of a Buffer, which makes another Buffer at three times the cost.
    into.set(new Uint8Array(from.buffer, source, bytes), at);
    return;
  }
  for (let done = 0; done < bytes; done += stagingBytes) {
    const part = Math.min(stagingBytes, bytes - done);
    staging.set(new Uint8Array(from.buffer, source + done, part), shift);
    into.set(new Uint8Array(staging.buffer, shift, part), at + done);
  }
}
