import type { LineCache } from './cache.ts';

/** Turns byte addresses into requests for lines. */
export class LinePort {
  private readonly linesPerByte: number;
  private readonly lastLineDecides: boolean;

  /** @param lastLineDecides quirk Q9 */
  constructor(lineBytes: number, lastLineDecides: boolean) {
    this.linesPerByte = 1 / lineBytes;
    this.lastLineDecides = lastLineDecides;
  }

  /** Level that answers a request for `bytes` bytes (a size of 0 means unknown and is taken as one byte). */
  request(cache: LineCache, address: number, bytes: number, counted: number): number {
    const first = Math.floor(address * this.linesPerByte);
    const last = bytes < 2 ? first : Math.floor((address + bytes - 1) * this.linesPerByte);
    if (first === last) return cache.request(first, counted);
    return this.lastLineDecides
      ? cache.requestSpan(first, last, counted)
      : cache.requestSpanFarthest(first, last, counted);
  }
}
