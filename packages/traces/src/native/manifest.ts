import type { TraceSummary } from '../reader.ts';
import { nativeVersion } from './layout.ts';

/** Raised when an importer starts to deliver other accesses for the same source, so that conversions made before can be told apart. */
export const importerVersion = 1;

/** Where a native trace was converted from. */
export interface NativeSource {
  readonly format: string;
  readonly dialect: string;
  readonly compression: readonly string[];
  /** Base name of the file, or the generator with its parameters. */
  readonly name?: string;
  readonly bytes?: number;
  /** Of the source file as it lay on disk; absent for generators and directories. */
  readonly sha256?: string;
  /** Accesses of the source that were left out at the start, and the most that were taken, where not all were. */
  readonly skip?: number;
  readonly limit?: number;
  /** The first `length` accesses of each `period` were taken. */
  readonly sample?: { readonly length: number; readonly period: number };
}

/** What a native trace says about itself; kept inside the file as JSON. */
export interface NativeManifest {
  readonly version: number;
  readonly importer: number;
  readonly source: NativeSource;
  readonly columns: { readonly pc: boolean; readonly physical: boolean };
  readonly accesses: number;
  readonly loads: number;
  readonly stores: number;
  readonly fetches: number;
  readonly prefetches: number;
  /** Rows that are not accesses. */
  readonly events: number;
  readonly threads: readonly number[];
  readonly processes: readonly number[];
  readonly dropped: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
}

export interface KindCounts {
  readonly loads: number;
  readonly stores: number;
  readonly fetches: number;
  readonly prefetches: number;
  readonly events: number;
}

export function createManifest(
  counts: KindCounts,
  columns: NativeManifest['columns'],
  source: NativeSource,
  summary: Pick<TraceSummary, 'threads' | 'processes' | 'dropped' | 'warnings'>,
): NativeManifest {
  return {
    version: nativeVersion,
    importer: importerVersion,
    source,
    columns,
    accesses: counts.loads + counts.stores + counts.fetches + counts.prefetches,
    ...counts,
    threads: [...summary.threads],
    processes: [...summary.processes],
    dropped: Object.fromEntries(summary.dropped),
    warnings: [...summary.warnings],
  };
}
