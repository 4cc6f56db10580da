import type { Frame, PageLevel, Vpn } from './address.ts';
import type { MachineConfig } from './machine-config.ts';

/** What the TLBs of all cores have counted since the last reset. A miss is a miss in both levels. */
export interface TlbCounts {
  readonly l1iHits: number;
  readonly l1iMisses: number;
  readonly l1dHits: number;
  readonly l1dMisses: number;
  /** Look-ups that missed in L1I or L1D. */
  readonly l2Hits: number;
  readonly l2Misses: number;
}

/**
 * Two levels of page-size-aware TLBs for every core, tagged with the process. Looked up by 4 KiB page number, whatever the size of the
 * page. Both levels are filled on a miss, the second is not inclusive, and a hit in the second fills the first.
 */
export interface Tlb {
  /** Frame of the 4 KiB page, or -1 on a miss in both levels. */
  lookup(core: number, vpn: Vpn, isFetch: boolean, process: number): Frame | -1;
  /** 1 or 2: the level that answered the last look-up; 0 when it missed. */
  lastLevel(): 0 | 1 | 2;
  /** After a walk: `frame` is the frame of the 4 KiB page `vpn`, `level` the size of the page that maps it in all dimensions. */
  fill(core: number, vpn: Vpn, isFetch: boolean, process: number, frame: Frame, level: PageLevel): void;
  /** Drops every translation of the `pages` 4 KiB pages from `vpn` on, on all cores. Returns the number of entries dropped. */
  invalidate(process: number, vpn: Vpn, pages: number): number;
  /** Drops every translation of the process on all cores. Returns the number of entries dropped. */
  invalidateProcess(process: number): number;
  counts(): TlbCounts;
  /** Counters to zero; what the TLBs hold stays. */
  resetCounts(): void;
  /** Empties the TLBs; counters stay. */
  clear(): void;
}

export interface TlbOptions {
  readonly cores: number;
  readonly tlb: MachineConfig['tlb'];
  /**
   * Bits of a page number that count: 36 under 4-level tables, 45 under 5-level tables (sign extension dropped). It bounds the number of
   * processes told apart: 65,536 or 128.
   */
  readonly pageNumberBits: 36 | 45;
}
