import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { Sample, TraceReader } from '@strata/traces';
import type { Row } from '../terminal/table.ts';

const kindNames = new Map<number, string>(Object.entries(AccessKind).map(([name, kind]) => [kind, name]));

/** The first accesses as rows of a table; numbered within the trace from `first` on, events like the access after them. */
export async function headRows(reader: TraceReader, first: number, sample?: Sample): Promise<Row[]> {
  const rows: Row[] = [];
  let accesses = 0;
  for await (const block of reader.blocks())
    for (let row = 0; row < block.length; row++) {
      rows.push(shown(block, row, first + placeOf(accesses, sample), reader.summary));
      if (block.kind[row]! < AccessKind.noFetch) accesses++;
    }
  return rows;
}

/** Place in the trace of the access that is number `delivered` among the sampled ones. */
function placeOf(delivered: number, sample: Sample | undefined): number {
  if (sample === undefined) return delivered;
  return Math.floor(delivered / sample.length) * sample.period + (delivered % sample.length);
}

/** Accesses to read for `count` sampled ones. */
export function accessesFor(count: number, sample: Sample | undefined): number {
  return count === 0 ? 0 : placeOf(count - 1, sample) + 1;
}

function shown(block: AccessBlock, row: number, number: number, { threads, processes }: TraceReader['summary']): Row {
  const { lo, hi, kind, size, thread, process, pcLo, pcHi, physicalLo, physicalHi } = block;
  return {
    number,
    kind: kindNames.get(kind[row]!) ?? String(kind[row]),
    address: hex(lo[row]!, hi[row]!),
    size: size[row]!,
    thread: threads[thread[row]!] ?? thread[row]!,
    process: processes[process[row]!] ?? process[row]!,
    ...(pcLo && pcHi ? { pc: hex(pcLo[row]!, pcHi[row]!) } : {}),
    ...(physicalLo && physicalHi ? { physical: hex(physicalLo[row]!, physicalHi[row]!) } : {}),
  };
}

function hex(lo: number, hi: number): string {
  return hi === 0 ? `0x${lo.toString(16)}` : `0x${hi.toString(16)}${lo.toString(16).padStart(8, '0')}`;
}
