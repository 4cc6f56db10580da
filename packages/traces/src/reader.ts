import type { AccessBlock, BlockColumns } from '@strata/model/machine';
import type { Sample } from './sampled.ts';

/** What a reader knows of its trace. Before the end of the stream the counts are those so far. */
export interface TraceSummary {
  /** Name of the format in the registry, such as `drmemtrace`. */
  readonly format: string;
  /** Version or dialect, in words: `zip, version 6`, `DMT artifact, virtualized dialect`. */
  readonly dialect: string;
  /** Outermost first: `zstd`, `gzip`, `zip`. */
  readonly compression: readonly string[];
  readonly accesses: number;
  readonly loads: number;
  readonly stores: number;
  readonly fetches: number;
  readonly prefetches: number;
  /** Records that are not delivered, by reason in words. */
  readonly dropped: ReadonlyMap<string, number>;
  /** As recorded, in order of first appearance: index = the number in blocks. */
  readonly threads: readonly number[];
  readonly processes: readonly number[];
  /** What a user must know before trusting results, such as a filtered trace that biases TLBs. */
  readonly warnings: readonly string[];
}

export interface ReadOptions {
  /** Columns wanted beyond the fixed ones; delivered where the format has them. */
  readonly columns?: BlockColumns;
  /** Deliver what is not an access too (kinds from `AccessKind.noFetch` on). Default false. */
  readonly events?: boolean;
  /** Accesses to leave out at the start. */
  readonly skip?: number;
  /** Accesses to deliver at most. */
  readonly limit?: number;
  /** Of what `skip` and `limit` leave, deliver only samples. */
  readonly sample?: Sample;
  /** Read a truncated trace as far as it goes, with a warning, instead of refusing it. Default false. */
  readonly allowTruncated?: boolean;
  /** Ends the reading: `blocks()` throws its reason. */
  readonly signal?: AbortSignal;
  /** Told, while accesses are being skipped that must be read for it, how many have been so far. */
  readonly onSkipped?: (accesses: number) => void;
}

/** How to open a trace, beyond how to read it. */
export interface OpenOptions extends ReadOptions {
  /** Name of the format in the registry, instead of recognising it from the content. */
  readonly format?: string;
  /** Columns of a CSV or TSV file in order, such as `addr,kind,pc,time`, instead of its header line. `-` leaves a column out. */
  readonly fields?: string;
  /** `builtin` decompresses without programs on PATH. Default `auto`. */
  readonly decompressors?: 'auto' | 'builtin';
  /** How the thread files of a drmemtrace folder interleave: by time stamps (default), or as a schedule file recorded. */
  readonly interleave?: 'timestamps' | 'cpu-schedule' | 'serial-schedule';
}

/** An opened trace. Memory is bounded whatever its length. */
export interface TraceReader {
  readonly summary: TraceSummary;
  /**
   * The accesses in order. The block is reused: copy what must outlive the next step. However fast they come, the event loop gets a turn every
   * 20 ms, so that timers and signals are seen.
   * @throws StrataError `trace.*` with file, record or byte offset, what was expected and found
   */
  blocks(): AsyncIterableIterator<AccessBlock>;
  /** Share of the input consumed, 0 to 1, for progress; undefined when the size is unknown. */
  progress(): number | undefined;
  close(): Promise<void>;
}
