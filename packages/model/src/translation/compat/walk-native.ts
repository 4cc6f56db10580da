import { entryBytes, type Vpn } from '../../machine/address.ts';
import { Counted, type LineCache } from './cache.ts';
import type { CompatConfig } from './config.ts';
import { Step } from './histogram.ts';
import type { LinePort } from './line-port.ts';
import type { Quirks } from './quirks.ts';
import { type CompatTable, tableLevels } from './table.ts';
import { type WalkCacheStats, WalkCaches } from './walk-caches.ts';

/** A page walk of the original simulators. */
export interface CompatWalker {
  /** Steps of a walk, without the range flag. */
  readonly steps: number;
  /** Byte address in the caches' space of the page that a row of the table maps, or -1 when a lower dimension does not map it. */
  pageAddress(row: number): number;
  /** Walks for `vpn`, whose row is `row`, through the walking core's data cache; writes where each step was answered. */
  walk(vpn: Vpn, row: number, dataCache: LineCache, trajectory: Uint8Array): void;
  walkCaches(): { readonly guest: WalkCacheStats[]; readonly host?: WalkCacheStats[] };
  endWarmup(): void;
}

/** Pages that an entry of each table level spans, index 0 = root. */
export const pagesPerEntry: readonly number[] = [2 ** 27, 2 ** 18, 2 ** 9, 1];

/** Byte offset of the entry for `vpn` in a table of level `level` (0 = root). */
export function entryOffset(vpn: Vpn, level: number): number {
  return entryBytes * ((vpn / pagesPerEntry[level]!) & 511);
}

/** Up to four references: the levels above the deepest page-walk cache hit are skipped. */
export function nativeWalker(table: CompatTable, config: CompatConfig, quirks: Quirks, port: LinePort): CompatWalker {
  const caches = new WalkCaches(config, quirks);
  return {
    steps: tableLevels,
    pageAddress: (row) => table.targets[row]!,
    walk(vpn, row, dataCache, trajectory) {
      const deepest = caches.deepest(vpn);
      const path = tableLevels * table.paths[row]!;
      for (let level = 0; level < tableLevels; level++) {
        if (level + 1 < deepest) trajectory[level] = Step.skipped;
        else if (level + 1 === deepest) trajectory[level] = Step.walkCache;
        else
          trajectory[level] = port.request(
            dataCache,
            table.tables[path + level]! + entryOffset(vpn, level),
            entryBytes,
            Counted.pageTable + level,
          );
      }
      caches.complete(vpn, deepest);
    },
    walkCaches: () => ({ guest: caches.snapshot() }),
    endWarmup: () => caches.endWarmup(),
  };
}
