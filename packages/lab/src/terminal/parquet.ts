import type { Column, Table } from './table.ts';

/** A table as a Parquet file in memory. Results are small; streams of accesses have a writer of their own. */
export async function parquetOf(table: Table): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const buffer = parquetWriteBuffer({
    columnData: table.columns.map((column) => ({
      name: column.name,
      type: parquetType[column.type],
      nullable: true,
      data: table.rows.map((row) => stored(row[column.name], column)),
    })),
    createdBy: 'strata',
  });
  return new Uint8Array(buffer);
}

const parquetType = { text: 'STRING', integer: 'INT64', real: 'DOUBLE', flag: 'BOOLEAN' } as const;

function stored(value: Table['rows'][number][string], column: Column): unknown {
  if (value === null || value === undefined) return null;
  switch (column.type) {
    case 'integer':
      return BigInt(value);
    case 'real':
      return Number(value);
    case 'flag':
      return Boolean(value);
    case 'text':
      return String(value);
  }
}
