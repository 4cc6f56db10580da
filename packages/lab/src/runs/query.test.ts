import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parquetOf } from '../terminal/parquet.ts';
import { tableOf } from '../terminal/table.ts';
import { queryRuns } from './query.ts';

vi.mock('@duckdb/node-api', () => {
  throw new Error('Cannot find package');
});

const folder = mkdtempSync(join(tmpdir(), 'strata-query-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('SQL where DuckDB is not installed', () => {
  it('ends with exit code 3, says how to get it, and that the files can be read without', async () => {
    const tables = join(folder, 'run', 'tables');
    mkdirSync(tables, { recursive: true });
    writeFileSync(join(folder, 'run', 'manifest.json'), '{}');
    writeFileSync(join(tables, 'designs.parquet'), await parquetOf(tableOf('designs', [{ walks: 1 }])));
    await expect(queryRuns(folder, 'select 1')).rejects.toMatchObject({
      code: 'query.no-duckdb',
      exitCode: 3,
      message: expect.stringMatching(/npm install.*strata doctor.*Parquet/),
    });
  });

  it('tells first that there is nothing to query', async () => {
    await expect(queryRuns(join(folder, 'nowhere'), 'select 1')).rejects.toThrow(/no run folders/);
  });
});
