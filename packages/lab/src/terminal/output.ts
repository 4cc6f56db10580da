import { type Command, Option } from 'commander';
import { writeFileAtomically } from './atomic-files.ts';
import { parquetOf } from './parquet.ts';
import { renderCsv, renderTable, type Table } from './table.ts';

/** Version of the JSON documents on stdout; raised when a key changes its meaning or goes. */
export const schemaVersion = 1;

/** The options that `addOutputOptions` gives a command. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly parquet?: string;
  readonly quiet?: boolean;
  readonly progress?: boolean;
}

/** What a command has to say, in every form at once. */
export interface Results {
  /** The JSON document without its `schemaVersion`. */
  readonly document: Readonly<Record<string, unknown>>;
  /** The first is what `--csv` and `--parquet` write. */
  readonly tables: readonly Table[];
  /** What a person reads; the tables one below the other when absent. */
  readonly text?: string;
}

export function addOutputOptions(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print one JSON document').conflicts('csv'))
    .option('--csv', 'print the table as CSV')
    .option('--parquet <file>', 'write the table as a Parquet file')
    .option('--quiet', 'no progress and no notes on stderr, no table on stdout')
    .option('--progress', 'draw the progress line even when stderr is no terminal');
}

/** Prints results on stdout as the options ask, and writes the Parquet file where wanted. */
export async function emit(results: Results, options: OutputOptions): Promise<void> {
  if (options.parquet !== undefined) writeFileAtomically(options.parquet, await parquetOf(mainTable(results)));
  if (options.json) print(`${jsonDocument(results.document)}\n`);
  else if (options.csv) print(renderCsv(mainTable(results)));
  else if (!options.quiet)
    print(`${results.text ?? results.tables.map((table) => renderTable(table, bold)).join('\n\n')}\n`);
}

/** The JSON text of a document: `schemaVersion` first, two spaces of indentation. */
export function jsonDocument(document: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ schemaVersion, ...document }, null, 2);
}

/** Warnings and notes: stderr, never between results. */
export function note(text: string, options: OutputOptions = {}): void {
  if (!options.quiet) process.stderr.write(`${text}\n`);
}

export function print(text: string): void {
  process.stdout.write(text);
}

function mainTable({ tables }: Results): Table {
  return tables[0] ?? { name: 'results', columns: [], rows: [] };
}

/** Colour only on a terminal, never when NO_COLOR is set (no-color.org). */
export function hasColour(stream: NodeJS.WriteStream = process.stdout): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
}

export function bold(text: string): string {
  return hasColour() ? `\x1b[1m${text}\x1b[22m` : text;
}

export function dim(text: string): string {
  return hasColour() ? `\x1b[2m${text}\x1b[22m` : text;
}
