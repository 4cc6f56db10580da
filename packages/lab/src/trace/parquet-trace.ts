import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { TraceReader } from '@strata/traces';
import { unwritable } from '@strata/traces/output';
import type { SchemaElement } from 'hyparquet';
import type { ColumnSource } from 'hyparquet-writer';

/** Rows of a row group: what is held in memory. */
const groupRows = 131_072;

const kindNames: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(AccessKind).map(([name, kind]) => [kind, name]),
);

/** Writes a trace as Parquet, one row per access, in memory that does not depend on its length. */
export async function writeParquetTrace(path: string, reader: TraceReader, signal: AbortSignal): Promise<void> {
  const { fileWriter, ParquetWriter } = await import('hyparquet-writer');
  const iterator = reader.blocks();
  let next = await iterator.next();
  const group = createGroup(next.done ? undefined : next.value);
  const written = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw unwritable(path, error);
    }
  };
  const writer = written(
    () => new ParquetWriter({ writer: fileWriter(path), schema: schemaOf(group), createdBy: 'strata' }),
  );
  for (; !next.done; next = await iterator.next()) {
    signal.throwIfAborted();
    const block = next.value;
    for (let from = 0; from < block.length; ) {
      from = group.add(block, from, reader.summary);
      if (group.isFull) await written(() => writer.write({ columnData: group.take(), rowGroupSize: groupRows }));
    }
  }
  const rest = group.take();
  if (rest[0]!.data.length > 0) await written(() => writer.write({ columnData: rest, rowGroupSize: groupRows }));
  await written(() => writer.finish());
}

interface Group {
  readonly isFull: boolean;
  readonly hasPc: boolean;
  readonly hasPhysical: boolean;
  /** Takes rows from `from` on; returns where it stopped because the group is full. */
  add(block: AccessBlock, from: number, summary: TraceReader['summary']): number;
  take(): ColumnSource[];
}

/** Rows being collected. Addresses are kept as pairs of 32-bit halves that are viewed as 64-bit integers when written. */
function createGroup(first: AccessBlock | undefined): Group {
  const hasPc = first?.pcLo !== undefined;
  const hasPhysical = first?.physicalLo !== undefined;
  const address = new Uint32Array(2 * groupRows);
  const pc = new Uint32Array(hasPc ? 2 * groupRows : 0);
  const physical = new Uint32Array(hasPhysical ? 2 * groupRows : 0);
  const kind = new Uint8Array(groupRows);
  const size = new Int32Array(groupRows);
  const thread = new Float64Array(groupRows);
  const process = new Float64Array(groupRows);
  let rows = 0;

  return {
    hasPc,
    hasPhysical,
    get isFull() {
      return rows === groupRows;
    },
    add(block, from, { threads, processes }) {
      const end = Math.min(block.length, from + groupRows - rows);
      for (let row = from; row < end; row++, rows++) {
        address[2 * rows] = block.lo[row]!;
        address[2 * rows + 1] = block.hi[row]!;
        kind[rows] = block.kind[row]!;
        size[rows] = block.size[row]!;
        thread[rows] = threads[block.thread[row]!] ?? block.thread[row]!;
        process[rows] = processes[block.process[row]!] ?? block.process[row]!;
        if (hasPc) {
          pc[2 * rows] = block.pcLo![row]!;
          pc[2 * rows + 1] = block.pcHi![row]!;
        }
        if (hasPhysical) {
          physical[2 * rows] = block.physicalLo![row]!;
          physical[2 * rows + 1] = block.physicalHi![row]!;
        }
      }
      return end;
    },
    take() {
      const words = (halves: Uint32Array) => new BigUint64Array(halves.buffer, 0, rows);
      const columns: ColumnSource[] = [
        { name: 'address', data: words(address) },
        { name: 'kind', data: Array.from(kind.subarray(0, rows), (of) => kindNames[of] ?? String(of)) },
        { name: 'size', data: size.subarray(0, rows) },
        { name: 'thread', data: integers(thread.subarray(0, rows)) },
        { name: 'process', data: integers(process.subarray(0, rows)) },
      ];
      if (hasPc) columns.push({ name: 'pc', data: words(pc) });
      if (hasPhysical) columns.push({ name: 'physical', data: words(physical) });
      rows = 0;
      // Without page offsets the writer keeps nothing per page of what is written.
      return columns.map((column) => ({ ...column, offsetIndex: false }));
    },
  };
}

function integers(values: Float64Array): BigInt64Array {
  return BigInt64Array.from(values, (value) => BigInt(value));
}

function schemaOf({ hasPc, hasPhysical }: Group): SchemaElement[] {
  const word = (name: string): SchemaElement => ({
    name,
    type: 'INT64',
    converted_type: 'UINT_64',
    repetition_type: 'REQUIRED',
  });
  const columns: SchemaElement[] = [
    word('address'),
    { name: 'kind', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    { name: 'size', type: 'INT32', repetition_type: 'REQUIRED' },
    { name: 'thread', type: 'INT64', repetition_type: 'REQUIRED' },
    { name: 'process', type: 'INT64', repetition_type: 'REQUIRED' },
    ...(hasPc ? [word('pc')] : []),
    ...(hasPhysical ? [word('physical')] : []),
  ];
  return [{ name: 'root', num_children: columns.length }, ...columns];
}
