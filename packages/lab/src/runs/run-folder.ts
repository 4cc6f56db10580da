import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StrataError } from '@strata/model/machine';
import { unwritable } from '@strata/traces/output';
import { claimsTable } from '../claims/verdict.ts';
import { drawSvg } from '../figures/draw.ts';
import { vegaLiteDocument } from '../figures/style.ts';
import { htmlReport } from '../report/report.ts';
import type { Outcome } from '../studies/study.ts';
import { pendingFolder } from '../terminal/atomic-files.ts';
import { jsonDocument } from '../terminal/output.ts';
import { parquetOf } from '../terminal/parquet.ts';
import { renderCsv, type Table, tableOf } from '../terminal/table.ts';
import { filesBelow, type Manifest, recordFile } from './manifest.ts';

/** What is known of a run besides its outcome. */
export interface RunFacts {
  readonly study: string;
  readonly title: string;
  readonly manifest: Omit<Manifest, 'outputs'>;
  readonly log: readonly string[];
}

/** The text of stats.json: the same bytes for the same configuration and inputs. */
export function statsText(outcome: Outcome): string {
  return `${jsonDocument({ ...outcome.stats, ...(outcome.interrupted ? { interrupted: true } : {}) })}\n`;
}

/**
 * Writes a run folder under a temporary name and renames it when it is complete.
 * @throws StrataError `run.exists` when the folder is there already
 */
export async function writeRunFolder(target: string, facts: RunFacts, outcome: Outcome): Promise<Manifest> {
  refuseExisting(target);
  const folder = pendingFolder(target);
  try {
    const put = (name: string, content: string | Uint8Array) => writeFileSync(join(folder.path, name), content);
    put('stats.json', statsText(outcome));
    put('log.txt', facts.log.map((line) => `${line}\n`).join(''));
    await writeTables(join(folder.path, 'tables'), tablesOf(outcome));
    const drawn = await writeFigures(join(folder.path, 'figures'), outcome);
    put('report.html', htmlReport(facts.title, facts.manifest, outcome, drawn));
    const outputs = filesBelow(folder.path).map((path) => ({ ...recordFile(join(folder.path, path)), path }));
    const manifest: Manifest = { ...facts.manifest, outputs };
    put('manifest.json', `${JSON.stringify(manifest, null, 2)}\n`);
    folder.commit();
    return manifest;
  } catch (error) {
    folder.discard();
    throw unwritable(target, error);
  }
}

export function refuseExisting(target: string): void {
  if (existsSync(target))
    throw new StrataError({
      code: 'run.exists',
      what: 'there already',
      where: target,
      mend: 'Give another name with --out, or remove it: a run is never overwritten.',
    });
}

function tablesOf(outcome: Outcome): Table[] {
  return outcome.claims.length > 0 ? [...outcome.tables, claimsTable(outcome.claims)] : [...outcome.tables];
}

async function writeTables(folder: string, tables: readonly Table[]): Promise<void> {
  mkdirSync(folder);
  for (const table of tables) writeFileSync(join(folder, `${table.name}.parquet`), await parquetOf(table));
}

/** A figure with its drawing, for the report. */
export interface DrawnFigure {
  readonly title: string;
  readonly caption: string;
  readonly width: 'single' | 'double';
  readonly svg: string;
}

async function writeFigures(folder: string, { figures }: Outcome): Promise<DrawnFigure[]> {
  mkdirSync(folder);
  const drawn: DrawnFigure[] = [];
  for (const figure of figures) {
    const document = vegaLiteDocument(figure);
    const svg = await drawSvg(document, figure.name);
    writeFileSync(join(folder, `${figure.name}.svg`), svg);
    writeFileSync(join(folder, `${figure.name}.vl.json`), `${JSON.stringify(document, null, 2)}\n`);
    writeFileSync(join(folder, `${figure.name}.csv`), renderCsv(tableOf(figure.name, figure.rows)));
    drawn.push({ title: figure.title, caption: figure.caption, width: figure.width, svg });
  }
  return drawn;
}

/** The stats.json of a run folder as it lies there. */
export function readStats(folder: string): string {
  return readFileSync(join(folder, 'stats.json'), 'utf8');
}
