import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { studies } from '../studies/index.ts';
import { perform } from '../studies/perform.ts';
import type { Table } from '../terminal/table.ts';
import { type FileRecord, filesBelow, type Manifest, readManifest, recordFile, versionRecord } from './manifest.ts';
import { readStats, statsText } from './run-folder.ts';

export interface Check {
  readonly check: string;
  readonly verdict: 'same' | 'differs' | 'missing' | 'extra' | 'skipped';
  readonly detail: string;
}

export interface VerifyOptions {
  /** Hash only; do not run again. */
  readonly hashesOnly?: boolean;
  readonly quiet?: boolean;
}

/** Re-hashes the files and inputs of a run, then runs it again and compares the bytes of stats.json. */
export async function verifyRun(folder: string, options: VerifyOptions = {}): Promise<Check[]> {
  const manifest = readManifest(join(folder, 'manifest.json'));
  const outputs = checkOutputs(folder, manifest);
  const inputs = manifest.inputs.map((input) => compared(`input ${input.role}`, input, input.path));
  const sound = inputs.every(({ verdict }) => verdict === 'same');
  return [...outputs, ...inputs, await checkAgain(folder, manifest, sound, options)];
}

export function holdsUp(checks: readonly Check[]): boolean {
  return checks.every(({ verdict }) => verdict === 'same' || verdict === 'skipped');
}

export function checksTable(checks: readonly Check[]): Table {
  return {
    name: 'checks',
    columns: [
      { name: 'check', type: 'text' },
      { name: 'verdict', type: 'text' },
      { name: 'detail', type: 'text' },
    ],
    rows: checks.map((check) => ({ ...check })),
  };
}

function checkOutputs(folder: string, { outputs }: Manifest): Check[] {
  const known = new Set(outputs.map(({ path }) => path));
  const extra = filesBelow(folder).filter((path) => path !== 'manifest.json' && !known.has(path));
  return [
    ...outputs.map((output) => compared(output.path, output, join(folder, output.path))),
    ...extra.map((path): Check => ({ check: path, verdict: 'extra', detail: 'not in the manifest' })),
  ];
}

function compared(check: string, expected: FileRecord, path: string): Check {
  if (!existsSync(path)) return { check, verdict: 'missing', detail: path };
  const found = recordFile(path);
  return found.sha256 === expected.sha256
    ? { check, verdict: 'same', detail: `${expected.sha256.slice(0, 12)}…` }
    : {
        check,
        verdict: 'differs',
        detail: `${found.sha256.slice(0, 12)}… instead of ${expected.sha256.slice(0, 12)}…`,
      };
}

async function checkAgain(folder: string, manifest: Manifest, sound: boolean, options: VerifyOptions): Promise<Check> {
  const check = 'stats.json, run again';
  if (options.hashesOnly) return { check, verdict: 'skipped', detail: 'asked for hashes only' };
  if (manifest.interrupted) return { check, verdict: 'skipped', detail: 'the run was interrupted' };
  if (!sound) return { check, verdict: 'skipped', detail: 'the inputs are not those of the run' };
  const outcome = await perform(studies.get(manifest.study), manifest.configuration, {
    title: manifest.study,
    command: manifest.command,
    quiet: options.quiet,
  });
  if (outcome.interrupted) return { check, verdict: 'skipped', detail: 'interrupted' };
  const [kept, again] = [readStats(folder), statsText(outcome)];
  if (again === kept) return { check, verdict: 'same', detail: 'same bytes' };
  const { strata, node } = versionRecord();
  const versions =
    strata === manifest.versions.strata && node === manifest.versions.node
      ? 'same versions'
      : `made with Strata ${manifest.versions.strata} on Node ${manifest.versions.node}, this is ${strata} on ${node}`;
  return { check, verdict: 'differs', detail: `first at line ${firstDifferingLine(kept, again)}; ${versions}` };
}

function firstDifferingLine(kept: string, again: string): number {
  const lines = again.split('\n');
  return 1 + kept.split('\n').findIndex((line, at) => line !== lines[at]);
}
