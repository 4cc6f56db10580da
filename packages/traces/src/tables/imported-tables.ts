import { type MutablePageTable, StrataError, type Vma, type Vpn } from '@strata/model/machine';
import { quoted } from './lines.ts';

export type TableUnit = 'bytes' | 'pfn';

/** A page table as recorded, and what its reader noticed. */
export interface ImportedTables {
  /** Name of the format, such as `dmt-dump`. */
  readonly format: string;
  readonly table: MutablePageTable;
  /** As recorded where the format has them; else clusters of present pages less than 2 MiB apart. */
  readonly vmas: readonly Vma[];
  /** What frames are written in. */
  readonly unit: TableUnit;
  /** Lines or entries that describe pages. */
  readonly rows: number;
  /** What a user must know before trusting results. */
  readonly warnings: readonly string[];
}

export interface TableOptions {
  /** Unit of frames in a DMT dump; without it, it is recognised, or refused where that would be a guess. */
  readonly unit?: TableUnit;
  /** `physical` for a VM's table (EPT dump), which is indexed by guest-physical addresses. Default `virtual`. */
  readonly addresses?: 'virtual' | 'physical';
  /** Turn huge pages that a dump expanded to 4 KiB rows back into huge leaves. Default false: rows as they are. */
  readonly foldHugePages?: boolean;
  readonly signal?: AbortSignal;
}

/** What a reader reads: `head` is the beginning of what `chunks` gives. */
export interface TableSource {
  readonly path: string;
  readonly head: Uint8Array;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** One format of page tables: adding one is one file and one line in `load.ts`. */
export interface TableFormat {
  readonly name: string;
  readonly summary: string;
  /** Whether a file that begins with this text is of the format. */
  recognises(head: string): boolean;
  read(source: TableSource, options: TableOptions): Promise<ImportedTables>;
}

/** Pages in ascending order become VMAs: those less than `gapPages` apart belong together. */
export interface VmaCollector {
  readonly vmas: readonly Vma[];
  add(start: Vpn, pages: number): void;
}

export function collectVmas(gapPages = 512): VmaCollector {
  const vmas: { start: Vpn; end: Vpn }[] = [];
  let last: { start: Vpn; end: Vpn } | undefined;
  return {
    vmas,
    add(start, pages) {
      if (last !== undefined && start - last.end < gapPages) {
        last.end = start + pages;
        return;
      }
      last = { start, end: start + pages };
      vmas.push(last);
    },
  };
}

export function malformed(path: string, line: number, text: string, expected: string): StrataError {
  return new StrataError({
    code: 'tables.malformed-line',
    where: `${path}, line ${line}`,
    what: 'the line cannot be read',
    expected,
    found: quoted(text),
  });
}

export function noPages(path: string): StrataError {
  return new StrataError({
    code: 'tables.empty',
    where: path,
    what: 'no page is listed',
    expected: 'at least one present page',
    mend: 'Dump the table while the program runs.',
  });
}

/** An error of the page table, with the line that caused it. */
export function atLine(error: unknown, path: string, line: number): unknown {
  if (!(error instanceof StrataError) || error.where !== undefined) return error;
  const { code, expected, found, mend } = error;
  return new StrataError({
    code,
    where: `${path}, line ${line}`,
    what: error.message.replace(/[.;].*$/s, ''),
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    ...(mend === undefined ? {} : { mend }),
  });
}
