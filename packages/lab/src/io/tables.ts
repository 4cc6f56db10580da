import type { ImportedTables, IoMachine } from '@strata/model/io';
import { readContextTables } from '@strata/traces/io';
import { loadTables, type TableUnit } from '@strata/traces/tables';

/** Recorded page tables in the place of those that the machine builds. */
export interface IoTables {
  readonly tables: ImportedTables;
  readonly summary: IoTablesSummary;
  readonly warnings: readonly string[];
}

export interface IoTablesSummary {
  readonly file: string;
  readonly format: string;
  /** What they are to the machine. */
  readonly place: 'domains' | 'hosts';
  /** Domains that have tables of their own in the file; null for one table, taken for every domain. */
  readonly domains: number | null;
  readonly pages: number;
}

export interface IoTablesOptions {
  readonly machine: Pick<IoMachine, 'dimensions' | 'levels'>;
  readonly unit: TableUnit | undefined;
  readonly signal: AbortSignal;
}

/**
 * A dump of one page table in any format of `strata translate --tables`, which every domain has alike; or the context entries and
 * second-level tables of a whole IOMMU, each domain with its own.
 * @throws StrataError `tables.*`, and what opening the file finds
 */
export async function loadIoTables(
  path: string,
  { machine: { dimensions, levels }, unit, signal }: IoTablesOptions,
): Promise<IoTables> {
  const place = dimensions === '2' ? 'hosts' : 'domains';
  const contexts = await readContextTables(path, { signal });
  if (contexts !== undefined) {
    const { tables } = contexts;
    const pages = [...tables.values()].reduce((sum, { mappedPages }) => sum + mappedPages, 0);
    const others = contexts.levels.filter((own) => own !== Number(levels));
    return {
      tables: (domain) => tables.get(domain),
      summary: { file: path, format: 'context-tables', place, domains: tables.size, pages },
      warnings:
        place === 'domains' && others.length > 0
          ? [
              `${path}: tables of ${others.join(' and ')} levels are walked from level ${levels}; --set levels=${others[0]} walks them as recorded`,
            ]
          : [],
    };
  }
  const { table, format, warnings } = await loadTables(path, {
    addresses: place === 'hosts' ? 'physical' : 'virtual',
    signal,
    ...(unit !== undefined && { unit }),
  });
  return {
    tables: () => table,
    summary: { file: path, format, place, domains: null, pages: table.mappedPages },
    warnings: warnings.map((warning) => `${path}: ${warning}`),
  };
}
