import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { StrataError } from '@strata/model/machine';
import { type Cell, type Row, type Table, tableOf } from '../terminal/table.ts';

/** Run folders below `folder`, sorted by name: those with a manifest. */
export function runFolders(folder: string): string[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(folder, entry.name))
    .filter((run) => existsSync(join(run, 'manifest.json')))
    .sort();
}

/** Parquet files of all run folders by table name. */
export function tablesOfRuns(folder: string): Map<string, string[]> {
  const tables = new Map<string, string[]>();
  for (const run of runFolders(folder)) {
    const inside = join(run, 'tables');
    if (!existsSync(inside)) continue;
    for (const file of readdirSync(inside).sort()) {
      if (!file.endsWith('.parquet')) continue;
      const name = basename(file, '.parquet');
      tables.set(name, [...(tables.get(name) ?? []), resolve(inside, file)]);
    }
  }
  return tables;
}

/**
 * Runs SQL over the tables of all run folders below `folder`: a view per table name, with the folder's name as column `run`.
 * @throws StrataError `query.no-duckdb` (exit 3), `query.no-runs`, `query.failed`
 */
export async function queryRuns(folder: string, sql: string): Promise<Table> {
  const tables = tablesOfRuns(folder);
  if (tables.size === 0)
    throw new StrataError({
      code: 'query.no-runs',
      what: 'no run folders with tables',
      where: folder,
      mend: 'Make one: strata reproduce, or any command with --out runs/NAME; or name another folder with --runs.',
    });
  const { DuckDBInstance } = await duckdb();
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  try {
    for (const [name, files] of tables) await connection.run(viewOf(name, files));
    const reader = await connection.runAndReadAll(sql);
    const names = reader.deduplicatedColumnNames();
    const rows = reader
      .getRowsJS()
      .map((cells): Row => Object.fromEntries(cells.map((cell, at) => [names[at]!, plain(cell)])));
    const result = tableOf('query', rows);
    return rows.length > 0 ? result : { ...result, columns: names.map((name) => ({ name, type: 'text' })) };
  } catch (error) {
    throw new StrataError({
      code: 'query.failed',
      what: `DuckDB says: ${error instanceof Error ? firstLines(error.message) : String(error)}`,
      mend: `Tables: ${[...tables.keys()].join(', ')} (each with a column run).`,
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function viewOf(name: string, files: readonly string[]): string {
  const list = files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ');
  // .../RUN/tables/NAME.parquet
  return `create view "${name.replaceAll('"', '""')}" as
    select regexp_extract(replace(filename, '\\', '/'), '([^/]+)/tables/[^/]+$', 1) as run, * exclude (filename)
    from read_parquet([${list}], union_by_name = true, filename = true)`;
}

async function duckdb(): Promise<typeof import('@duckdb/node-api')> {
  try {
    return await import('@duckdb/node-api');
  } catch {
    throw new StrataError({
      code: 'query.no-duckdb',
      what: 'DuckDB is not installed, and SQL needs it',
      mend: 'Run npm install without --omit=optional; strata doctor shows the line duckdb. The Parquet files of a run are readable by any other tool.',
      exitCode: 3,
    });
  }
}

function plain(cell: unknown): Cell {
  if (cell === null || cell === undefined) return null;
  if (typeof cell === 'bigint') return Number(cell);
  if (typeof cell === 'number' || typeof cell === 'boolean' || typeof cell === 'string') return cell;
  return String(cell);
}

function firstLines(message: string): string {
  return message
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/[.\s]+$/, '');
}
