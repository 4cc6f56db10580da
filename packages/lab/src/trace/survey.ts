import { type AccessBlock, AccessKind, hexAddress, vpnOf } from '@strata/model/machine';
import type { TraceReader } from '@strata/traces';
import { createPageSet } from './page-set.ts';

/** What one pass over a trace finds out. */
export interface Survey {
  readonly columns: { readonly pc: boolean; readonly physical: boolean };
  /** Rows that are not accesses, by kind. */
  readonly events: Readonly<Record<string, number>>;
  readonly threads: readonly Share[];
  readonly processes: readonly Share[];
  readonly footprint: Footprint;
}

export interface Share {
  /** As recorded. */
  readonly id: number;
  readonly accesses: number;
}

export interface Footprint {
  /** Distinct 4 KiB pages touched, per process; a lower bound when `isExact` is false. */
  readonly pages4k: number;
  readonly pages2m: number;
  readonly isExact: boolean;
  /** First byte of the lowest page and last byte of the highest, hexadecimal; absent in an empty trace. */
  readonly lowest?: string;
  readonly highest?: string;
}

const eventNames: Readonly<Record<number, string>> = {
  [AccessKind.noFetch]: 'noFetch',
  [AccessKind.threadExit]: 'threadExit',
  [AccessKind.marker]: 'marker',
  [AccessKind.other]: 'other',
};

/** Reads the trace to its end. `onBlock` is told the rows read so far. */
export async function survey(reader: TraceReader, onBlock: (rows: number) => void): Promise<Survey> {
  const pages4k = createPageSet();
  const pages2m = createPageSet();
  const kinds = new Float64Array(256);
  const threads = new Float64Array(65_536);
  const processes = new Float64Array(65_536);
  const range = { lowest: Infinity, highest: -1 };
  let columns = { pc: false, physical: false };
  let rows = 0;
  for await (const block of reader.blocks()) {
    columns = { pc: block.pcLo !== undefined, physical: block.physicalLo !== undefined };
    note(block);
    rows += block.length;
    onBlock(rows);
  }

  function note({ length, lo, hi, kind, thread, process }: AccessBlock): void {
    let last = -1;
    let lastProcess = -1;
    for (let row = 0; row < length; row++) {
      kinds[kind[row]!]!++;
      if (kind[row]! >= AccessKind.noFetch) continue;
      threads[thread[row]!]!++;
      processes[process[row]!]!++;
      const page = vpnOf(lo[row]!, hi[row]!);
      if (page === last && process[row] === lastProcess) continue;
      last = page;
      lastProcess = process[row]!;
      pages4k.add(page, lastProcess);
      pages2m.add(Math.floor(page / 512), lastProcess);
      if (page < range.lowest) range.lowest = page;
      if (page > range.highest) range.highest = page;
    }
  }

  const { summary } = reader;
  return {
    columns,
    events: Object.fromEntries(
      Object.entries(eventNames).flatMap(([kind, name]) =>
        kinds[Number(kind)]! > 0 ? [[name, kinds[Number(kind)]!]] : [],
      ),
    ),
    threads: sharesOf(threads, summary.threads),
    processes: sharesOf(processes, summary.processes),
    footprint: {
      pages4k: pages4k.size,
      pages2m: pages2m.size,
      isExact: pages4k.isExact && pages2m.isExact,
      ...(range.highest >= 0 ? { lowest: hexAddress(range.lowest), highest: hexAddress(range.highest, 4095) } : {}),
    },
  };
}

function sharesOf(counts: Float64Array, ids: readonly number[]): Share[] {
  const shares: Share[] = [];
  counts.forEach((accesses, number) => {
    if (accesses > 0) shares.push({ id: ids[number] ?? number, accesses });
  });
  return shares;
}
