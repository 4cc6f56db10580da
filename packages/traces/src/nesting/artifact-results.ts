import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StrataError } from '@strata/model/machine';
import { workloadNamed } from '@strata/model/nesting';
import { readText } from './import.ts';
import { linesOf } from './reports.ts';

/** The runs of one test, each the figures of its iterations. */
export interface TestRuns {
  readonly test: string;
  readonly runs: readonly (readonly number[])[];
  /** Runs left out because their number of iterations differs from the first run's. */
  readonly dropped: readonly string[];
}

/**
 * A folder in the artifact's layout (`1/netperf-rr.txt`, `2/netperf-rr.txt`, ...), or the file that its results script printed.
 * @throws StrataError `nest.results` with the file and line
 */
export async function readArtifactResults(path: string): Promise<TestRuns[]> {
  const folders = await foldersOf(path);
  if (folders === undefined) return parseResultsOutput(await readText(path), path);
  if (folders.length === 0)
    throw results(path, 'no runs in this folder', 'sub-folders 1, 2, ... with one .txt file per test');
  const tests = (await readdir(join(path, folders[0]!))).filter((name) => name.endsWith('.txt')).sort();
  if (tests.length === 0)
    throw results(join(path, folders[0]!), 'no results in the first run', 'one .txt file per test');
  return Promise.all(tests.map((file) => readTest(path, folders, file)));
}

async function foldersOf(path: string): Promise<string[] | undefined> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && /^\d+$/.test(entry.name))
      .map(({ name }) => name)
      .sort((a, b) => Number(a) - Number(b));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw results(path, 'no such folder or file', "a folder of the artifact's results");
  }
}

async function readTest(path: string, folders: readonly string[], file: string): Promise<TestRuns> {
  const test = file.replace(/\.txt$/, '');
  const runs: number[][] = [];
  const dropped: string[] = [];
  for (const folder of folders) {
    const where = join(path, folder, file);
    let text: string;
    try {
      text = await readText(where);
    } catch (error) {
      if (runs.length === 0) throw error;
      dropped.push(`${folder} (no ${file})`);
      continue;
    }
    const run = figuresOf(text, where, workloadNamed(test)?.headerLines ?? 0);
    if (runs.length > 0 && run.length !== runs[0]!.length) dropped.push(`${folder} (${run.length} iterations)`);
    else runs.push(run);
  }
  return { test, runs, dropped };
}

function figuresOf(text: string, where: string, headerLines: number): number[] {
  const figures: number[] = [];
  for (const [index, line] of linesOf(text).entries()) {
    if (index < headerLines || line.trim() === '') continue;
    const value = Number(line.trim());
    if (!Number.isFinite(value) || value < 0)
      throw results(
        `${where}, line ${index + 1}`,
        'not a figure',
        'one number of at least 0 per line',
        JSON.stringify(line.slice(0, 60)),
      );
    figures.push(value);
  }
  if (figures.length === 0) throw results(where, 'no figures', `numbers after ${headerLines} header lines`);
  return figures;
}

/** The script's output: the name between dashes, rows of iterations with a column per run, a line of dashes. */
export function parseResultsOutput(text: string, where: string): TestRuns[] {
  const tests: { test: string; rows: number[][] }[] = [];
  let open = false;
  for (const [index, line] of linesOf(text).entries()) {
    const title = /^-+\s*([^-\s][\w.-]*?[^-\s]?)\s*-+$/.exec(line);
    if (title !== null) {
      tests.push({ test: title[1]!, rows: [] });
      open = true;
    } else if (/^-+$/.test(line)) open = false;
    else if (open && line.trim() !== '') {
      const row = line.split(',').map((cell) => Number(cell.trim() === '' ? Number.NaN : cell));
      const first = tests.at(-1)!.rows[0];
      if (
        row.some((value) => !Number.isFinite(value) || value < 0) ||
        (first !== undefined && row.length !== first.length)
      )
        throw results(
          `${where}, line ${index + 1}`,
          'not a row of figures',
          'one number per run, separated by commas',
          JSON.stringify(line.slice(0, 60)),
        );
      tests.at(-1)!.rows.push(row);
    }
  }
  const filled = tests.filter(({ rows }) => rows.length > 0);
  if (filled.length === 0)
    throw results(where, "no results in the artifact's layout", 'a test name between dashes, then rows of figures');
  return filled.map(({ test, rows }) => ({
    test,
    runs: rows[0]!.map((_, run) => rows.map((row) => row[run]!)),
    dropped: [],
  }));
}

function results(where: string, what: string, expected: string, found?: string): StrataError {
  return new StrataError({ code: 'nest.results', what, where, expected, ...(found !== undefined && { found }) });
}
