/** Translations of a TLB block: 8 of neighbouring pages, as many entries as a line of a page table holds. */
export const blockPages = 8;

const keysPerChunk = 4096;

/**
 * The clusters of pages that have had a TLB block, numbered in order of their first one, and the blocks that there are now. Arrays instead
 * of an object per cluster: every walk asks.
 */
export class TlbBlocks {
  /** Blocks that there are now. */
  live = 0;
  /** Clusters numbered. */
  private clusters = 0;
  /** Number + 1 by key, in chunks. */
  private readonly chunks = new Map<number, Int32Array>();
  private isLive = new Uint8Array(64);
  /** Frame + 1 by cluster and page; 0 = not held. */
  private frames = new Float64Array(64 * blockPages);

  /** Number of the cluster, or -1 when it never had a block. */
  find(key: number): number {
    const chunk = this.chunks.get(Math.floor(key / keysPerChunk));
    return chunk === undefined ? -1 : chunk[key & (keysPerChunk - 1)]! - 1;
  }

  /** Numbers a cluster that has none. */
  number(key: number): number {
    const at = Math.floor(key / keysPerChunk);
    let chunk = this.chunks.get(at);
    if (chunk === undefined) {
      chunk = new Int32Array(keysPerChunk);
      this.chunks.set(at, chunk);
    }
    const cluster = this.clusters++;
    chunk[key & (keysPerChunk - 1)] = cluster + 1;
    if (cluster === this.isLive.length) this.grow();
    return cluster;
  }

  /** False when the cluster has a block already. */
  make(cluster: number): boolean {
    if (this.isLive[cluster] === 1) return false;
    this.isLive[cluster] = 1;
    this.live++;
    return true;
  }

  /** Frame + 1 of the page, or 0. */
  stored(cluster: number, page: number): number {
    return this.frames[cluster * blockPages + page]!;
  }

  /** @param stored frame + 1, or 0 */
  store(cluster: number, page: number, stored: number): void {
    this.frames[cluster * blockPages + page] = stored;
  }

  /** The cluster has no block any more. */
  drop(cluster: number): void {
    if (this.isLive[cluster] === 0) return;
    this.isLive[cluster] = 0;
    this.live--;
    this.frames.fill(0, cluster * blockPages, (cluster + 1) * blockPages);
  }

  /** Drops all blocks; returns how many translations they held. */
  clear(): number {
    if (this.live === 0) return 0;
    let held = 0;
    for (let at = 0; at < this.clusters * blockPages; at++) if (this.frames[at] !== 0) held++;
    this.frames.fill(0);
    this.isLive.fill(0);
    this.live = 0;
    return held;
  }

  private grow(): void {
    const isLive = new Uint8Array(2 * this.isLive.length);
    isLive.set(this.isLive);
    this.isLive = isLive;
    const frames = new Float64Array(2 * this.frames.length);
    frames.set(this.frames);
    this.frames = frames;
  }
}
