import { type Calibration, calibrate, errorOf, profileFileOf } from '@strata/model/nesting';
import { type RunsOfKind, readText, readVmexit, runsByKind } from '@strata/traces/nesting';
import type { Command } from 'commander';
import { writeFileAtomically } from '../terminal/atomic-files.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { renderTable, type Table } from '../terminal/table.ts';
import { addProfileOptions, type ProfileOptions, positiveNumber, profileOf } from './options.ts';

interface CalibrateOptions extends OutputOptions, ProfileOptions {
  readonly l1: string;
  readonly l2: string;
  readonly out?: string;
  readonly clock?: string;
}

export function registerCalibrate(parent: Command): void {
  const command = parent
    .command('calibrate')
    .description('fit a profile to kvm-unit-tests vmexit, run in a VM and in a nested VM');
  addProfileOptions(command)
    .requiredOption('--l1 <file>', 'output of vmexit in a VM')
    .requiredOption('--l2 <file>', 'output of vmexit in a nested VM')
    .option('--clock <ghz>', 'clock of the time-stamp counter, in GHz')
    .option('--out <file>', 'write the profile, for --profile-file');
  addExamples(addOutputOptions(command), [
    'strata nest calibrate --l1 packages/lab/fixtures/nest/vmexit-l1.txt --l2 packages/lab/fixtures/nest/vmexit-l2.txt',
    'strata nest calibrate --l1 packages/lab/fixtures/nest/vmexit-l1.txt --l2 packages/lab/fixtures/nest/vmexit-l2.txt --json',
  ]).action(async (options: CalibrateOptions) => {
    const base = await profileOf(options);
    const clocked =
      options.clock === undefined ? base : { ...base, clockGHz: positiveNumber(options.clock, '--clock') };
    const [one, two] = await Promise.all(
      [options.l1, options.l2].map(async (path) =>
        runsByKind(readVmexit(await readText(path), path, clocked.clockGHz)),
      ),
    );
    const calibration = calibrate(leastOf(one!), leastOf(two!), clocked, {
      level1: highestOf(one!),
      level2: highestOf(two!),
    });
    const file = profileFileOf(calibration.profile);
    for (const warning of calibration.warnings) note(`strata: ${warning}`, options);
    if (options.out !== undefined) {
      const { stringify } = await import('yaml');
      writeFileAtomically(options.out, stringify(file));
    }
    const table = rowTable(calibration);
    await emit(
      {
        document: {
          profile: file,
          rows: calibration.rows,
          fittedConstant: calibration.fittedConstant,
          level3Hypercall: calibration.level3 ?? null,
          errors: calibration.profile.knownErrors.byLevel,
          errorsByKind: calibration.profile.knownErrors.byKind,
          warnings: calibration.warnings,
        },
        tables: [table],
        text: textOf(calibration, table, options.out),
      },
      options,
    );
  });
}

type Runs = ReadonlyMap<string, RunsOfKind>;

function leastOf(runs: Runs): Map<string, number> {
  return new Map([...runs].map(([kind, { cycles }]) => [kind, cycles]));
}

function highestOf(runs: Runs): Map<string, number> {
  return new Map([...runs].filter(([, of]) => of.runs > 1).map(([kind, { highest }]) => [kind, highest]));
}

function rowTable({ profile, rows }: Calibration): Table {
  return {
    name: 'calibration',
    columns: [
      { name: 'kind', type: 'text' },
      { name: 'level', type: 'integer' },
      { name: 'measured', type: 'integer' },
      { name: 'modelled', type: 'integer' },
      { name: 'error', type: 'real', title: 'error (%)', decimals: 1 },
      { name: 'fitted', type: 'flag' },
      { name: 'spread', type: 'real', title: 'runs apart (%)', decimals: 1 },
      { name: 'band', type: 'real', title: 'band (± %)', decimals: 0 },
    ],
    rows: rows.map((row) => ({
      ...row,
      error: 100 * row.error,
      spread: row.spread === undefined ? null : 100 * row.spread,
      band: row.fitted ? null : 100 * errorOf(profile, row.level, row.kind),
    })),
  };
}

function textOf(
  { profile, level3, fittedConstant: { low, high } }: Calibration,
  table: Table,
  out: string | undefined,
): string {
  const whole = (value: number) => Math.round(value).toLocaleString('en-US');
  return [
    `HW ${whole(profile.hardwareCycles)} (assumed), ${profile.deprivilegedSwitchCycles === undefined ? `RM0 ${whole(profile.reflectRunCycles)}` : `switch ${whole(profile.deprivilegedSwitchCycles)}`} (fitted to the hypercall at level 2${low === undefined || high === undefined ? '' : `; ${whole(low)} to ${whole(high)} over the runs`})`,
    low === undefined
      ? 'One run of the hypercall at each level: how far runs are apart is not known. Append the output of more runs to the two files.'
      : 'Each kind counts by its smallest run; no band is narrower than its runs are apart.',
    '',
    renderTable(table),
    '',
    level3 === undefined
      ? `Level 3 is not available: ${profile.deepest?.why ?? 'the profile ends before'}.`
      : `Hypercall at level 3, predicted: ${whole(level3.cycles)} cycles, between ${whole(level3.low)} and ${whole(level3.high)}`,
    `Bands by level, for kinds not measured at level 2: ${profile.knownErrors.byLevel.map((share) => `± ${Math.round(100 * share)} %`).join(', ')}`,
    out === undefined ? 'Keep it with --out profile.yaml.' : `Written to ${out}.`,
  ].join('\n');
}
