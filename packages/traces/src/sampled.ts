import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { TraceReader, TraceSummary } from './reader.ts';
import { moveRow } from './rows.ts';

/** Systematic sampling: the first `length` accesses of each `period` are delivered. */
export interface Sample {
  readonly length: number;
  readonly period: number;
}

/**
 * The same trace with everything between the samples left out, events included. The summary counts what is delivered and warns of the gaps:
 * whoever simulates a sampled trace finds caches and TLBs colder and reuse distances shorter than they were.
 */
export function sampledReader(reader: TraceReader, { length, period }: Sample): TraceReader {
  const counts = { loads: 0, stores: 0, fetches: 0, prefetches: 0 };
  const names = ['loads', 'stores', 'fetches', 'prefetches'] as const;
  let place = 0;
  let leftOut = 0;

  /** Keeps the rows of the block that lie in a sample. */
  function select(block: AccessBlock): void {
    let to = 0;
    for (let row = 0; row < block.length; row++) {
      const kind = block.kind[row]!;
      const isAccess = kind < AccessKind.noFetch;
      const isKept = place < length;
      if (isKept) moveRow(block, row, to++);
      if (!isAccess) continue;
      if (isKept) counts[names[kind]!]++;
      else leftOut++;
      place = place + 1 === period ? 0 : place + 1;
    }
    block.length = to;
  }

  const summary: TraceSummary = {
    ...unchanging(reader.summary),
    get threads() {
      return reader.summary.threads;
    },
    get processes() {
      return reader.summary.processes;
    },
    get dropped() {
      if (leftOut === 0) return reader.summary.dropped;
      return new Map([...reader.summary.dropped, ['left out between samples', leftOut]]);
    },
    get warnings() {
      const warning = `sampled: ${length} of every ${period} accesses; what lies between is left out, which TLBs and caches see as reuse that was not there`;
      return [...reader.summary.warnings, warning];
    },
    get loads() {
      return counts.loads;
    },
    get stores() {
      return counts.stores;
    },
    get fetches() {
      return counts.fetches;
    },
    get prefetches() {
      return counts.prefetches;
    },
    get accesses() {
      return counts.loads + counts.stores + counts.fetches + counts.prefetches;
    },
  };

  async function* blocks(): AsyncIterableIterator<AccessBlock> {
    for await (const block of reader.blocks()) {
      select(block);
      if (block.length > 0) yield block;
    }
  }

  return { summary, blocks, progress: () => reader.progress(), close: () => reader.close() };
}

function unchanging({ format, dialect, compression }: TraceSummary) {
  return { format, dialect, compression };
}
