import type { Named } from '../../machine/registry.ts';

/**
 * How a driver protects buffers from devices, as what it does to translation. Adding a scheme is one file and one line in `registry.ts`.
 */
export interface ProtectionScheme extends Named {
  readonly source: string;
  /** none: the device uses physical addresses; ring: a flat table per ring with the next entry at hand; tables: page walks. */
  readonly translation: 'none' | 'ring' | 'tables';
  /** When the entries of a buffer that is done with leave the caches. */
  readonly invalidation: 'never' | 'each' | 'batch';
  /** Whether an invalidation takes the upper levels' cached entries along, as those of Linux do. */
  readonly dropsWalkCaches: boolean;
  /** Buffers lie in 2 MiB pages whatever the trace says. */
  readonly hugePages: boolean;
  /** Every byte is copied to a buffer that stays mapped. */
  readonly copies: boolean;
}
