import { StrataError } from '@strata/model/machine';
import { type CompatTable, compatTableBuilder, compatTableOf } from '@strata/model/translation/compat';
import { loadTables, readDumpRows, type TableUnit } from '@strata/traces/tables';

export interface CompatTableFile {
  readonly table: CompatTable;
  readonly warnings: readonly string[];
}

export interface CompatTableOptions {
  /** `bytes` takes the columns of a dump as the original does, whatever they are; without it the unit must be recognisable. */
  readonly unit?: TableUnit;
  /** Whether the table is a VM's, keyed by guest-physical addresses. */
  readonly host?: boolean;
  readonly signal?: AbortSignal;
}

const pageBytes = 4096;

/**
 * Page tables for the original simulators. A DMT dump is taken row by row with its columns exactly as written; any other format is
 * read as a table first and then expanded to the rows that the dumper would have printed.
 * @throws StrataError `tables.*`, `compat.*`, and what opening the file finds
 */
export async function loadCompatTable(path: string, options: CompatTableOptions = {}): Promise<CompatTableFile> {
  const { unit, host = false, signal } = options;
  const abort = signal === undefined ? {} : { signal };
  const asBytes = compatTableBuilder();
  const dump = await readDumpRows(
    path,
    (page, offset, columns, line) => {
      if (offset !== 0) {
        asBytes.addUnreachable();
        return;
      }
      const scale = unit === 'pfn' ? pageBytes : 1;
      try {
        asBytes.add(
          page,
          columns[0]! * scale,
          columns[1]! * scale,
          columns[2]! * scale,
          columns[3]! * scale,
          columns[4]! * scale,
        );
      } catch (error) {
        throw atLine(error, path, line);
      }
    },
    abort,
  );
  if (dump === undefined) {
    const loaded = await loadTables(path, {
      ...abort,
      ...(unit === undefined ? {} : { unit }),
      addresses: host ? 'physical' : 'virtual',
    });
    return { table: compatTableOf(loaded.table), warnings: loaded.warnings };
  }
  const { likelyUnit, rows } = dump;
  if (rows === 0) throw noRows(path);
  if (unit === undefined && likelyUnit === undefined) throw ambiguousUnit(path);
  if (unit === undefined && likelyUnit === 'pfn')
    return withWarnings(
      await loadCompatTable(path, { ...options, unit: 'pfn' }),
      `${path}: the table columns are frame numbers, as the published dumper prints them; they are read as frames. The original would take them for byte addresses (--unit bytes does the same).`,
    );
  const table = asBytes.build();
  if (unit === 'bytes' && likelyUnit === 'pfn')
    return withWarnings(
      { table, warnings: [] },
      `${path}: the table columns look like frame numbers and are taken for byte addresses, as the original does. The figures mean nothing.`,
    );
  if (unit === 'pfn' && likelyUnit === 'bytes')
    return withWarnings(
      { table, warnings: [] },
      `${path}: the table columns look like byte addresses and are taken for frame numbers, as asked for. The figures mean nothing.`,
    );
  return { table, warnings: [] };
}

function withWarnings({ table, warnings }: CompatTableFile, warning: string): CompatTableFile {
  return { table, warnings: [warning, ...warnings] };
}

function atLine(error: unknown, path: string, line: number): unknown {
  if (!(error instanceof StrataError)) return error;
  return new StrataError({
    code: error.code,
    where: `${path}, line ${line}`,
    what: 'an address is 2^52 or more',
    expected: 'physical addresses of at most 52 bits',
    mend: 'Check the dump, and its unit (--unit bytes|pfn).',
  });
}

function noRows(path: string): StrataError {
  return new StrataError({
    code: 'tables.empty',
    where: path,
    what: 'no page is listed',
    expected: 'at least one present page',
    mend: 'Dump the table while the program runs.',
  });
}

function ambiguousUnit(path: string): StrataError {
  return new StrataError({
    code: 'tables.ambiguous-unit',
    where: path,
    what: 'the table columns could be byte addresses or frame numbers',
    expected: 'byte addresses, all multiples of 0x1000, or frame numbers, which mostly are not',
    mend: 'Say which with --unit bytes or --unit pfn.',
  });
}
