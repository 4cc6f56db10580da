import { createRegistry, type Registry, StrataError } from '@strata/model/machine';
import { openInput } from '../input/input.ts';
import { dmtDump } from './dmt-dump.ts';
import { guestWalk } from './guest-walk.ts';
import type { ImportedTables, TableFormat, TableOptions } from './imported-tables.ts';
import { infoTlb } from './info-tlb.ts';
import { quoted } from './lines.ts';
import { pagemapDump } from './pagemap.ts';
import { v2pMap } from './v2p.ts';

/** Every format of page tables, in the order in which a file is tried. */
export const tableFormats: Registry<TableFormat> = createRegistry('page-table format', [
  dmtDump,
  guestWalk,
  infoTlb,
  v2pMap,
  pagemapDump,
]);

export interface LoadTablesOptions extends TableOptions {
  /** Name of the format in `tableFormats`; recognised from the content when absent. */
  readonly format?: string;
}

export interface LoadedTables extends ImportedTables {
  readonly path: string;
  /** Outermost first. */
  readonly compression: readonly string[];
}

/**
 * Reads a recorded page table of any known format, compressed or not, in one pass.
 * @throws StrataError `tables.*` with the line, `trace.unreadable`, `trace.empty` and what decompression finds
 */
export async function loadTables(path: string, options: LoadTablesOptions = {}): Promise<LoadedTables> {
  const input = await openInput(path, options.signal === undefined ? {} : { signal: options.signal });
  try {
    const format = options.format === undefined ? recognise(input.head, path) : tableFormats.get(options.format);
    return { ...(await format.read(input, options)), path, compression: input.compression };
  } finally {
    await input.close();
  }
}

function recognise(head: Uint8Array, path: string): TableFormat {
  const text = new TextDecoder('latin1').decode(head);
  for (const format of tableFormats) if (format.recognises(text)) return format;
  throw new StrataError({
    code: 'tables.unknown-format',
    where: path,
    what: 'this is no page table of a known format',
    expected: [...tableFormats].map(({ name, summary }) => `${name} (${summary})`).join('; '),
    found: quoted(text.split('\n', 1)[0]!),
    mend: 'If it is one of these, say which with --tables-format NAME to see what is wrong with it.',
  });
}
