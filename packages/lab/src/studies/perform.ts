import { availableParallelism } from 'node:os';
import { StrataError } from '@strata/model/machine';
import { hostRecord, type InputRecord, readableStat, recordFile, versionRecord } from '../runs/manifest.ts';
import { type RunFacts, refuseExisting, writeRunFolder } from '../runs/run-folder.ts';
import { interruptedExitCode, interruptible } from '../terminal/interrupt.ts';
import { createProgress } from '../terminal/progress.ts';
import type { Outcome, Study, StudyInput } from './study.ts';

export interface PerformOptions {
  /** Run folder to write; none when absent. */
  readonly out?: string | undefined;
  readonly title: string;
  /** The arguments as typed, for the manifest. */
  readonly command: readonly string[];
  readonly quiet?: boolean | undefined;
  readonly progress?: boolean | undefined;
  /** Worker threads, where the study uses any. Default: one per core. */
  readonly workers?: number | undefined;
  /** What the progress line counts. Default accesses. */
  readonly unit?: string;
}

/** Exit status of an outcome (UX: exit codes). */
export function exitStatusOf(outcome: Outcome): number {
  if (outcome.interrupted) return interruptedExitCode;
  return outcome.claims.some(({ verdict }) => verdict === 'does not hold') ? 1 : 0;
}

/** Runs a study under Ctrl-C with progress, and writes its run folder where one is wanted. The configuration is checked and completed first. */
export async function perform(study: Study, given: unknown, options: PerformOptions): Promise<Outcome> {
  await study.prepare?.(given);
  const configuration = study.resolve(given);
  if (options.out !== undefined) refuseExisting(options.out);
  // A missing input is told at once; hashing waits until after the work, so that the first access of a long trace does not.
  const before = options.out === undefined ? [] : inputStates(study, configuration);
  const workers = options.workers ?? availableParallelism();
  const log: string[] = [];
  const started = new Date();
  const startedAt = performance.now();
  const progress = createProgress({
    label: study.name,
    unit: options.unit ?? 'accesses',
    quiet: options.quiet ?? false,
    always: options.progress ?? false,
  });
  const note = (text: string) => {
    log.push(text);
    progress.note(`strata: ${text}`);
  };
  return interruptible(async (signal) => {
    try {
      const outcome = await study.execute(configuration, { signal, progress, note, workers });
      for (const warning of outcome.warnings) note(`warning: ${warning}`);
      if (options.out !== undefined) {
        const inputs = inputRecords(study, configuration);
        refuseChanged(before, inputStates(study, configuration));
        const facts: RunFacts = {
          study: study.name,
          title: options.title,
          log,
          manifest: {
            schemaVersion: 1,
            kind: 'strata-run',
            study: study.name,
            command: options.command,
            configuration,
            seed: typeof configuration.seed === 'number' ? configuration.seed : 0,
            versions: versionRecord(),
            host: hostRecord(),
            inputs,
            startedAt: started.toISOString(),
            seconds: Math.round(performance.now() - startedAt) / 1000,
            exitStatus: exitStatusOf(outcome),
            interrupted: outcome.interrupted,
          },
        };
        await writeRunFolder(options.out, facts, outcome);
      }
      return outcome;
    } finally {
      progress.end();
    }
  });
}

export function inputRecords(study: Study, configuration: Readonly<Record<string, unknown>>): InputRecord[] {
  return inputFiles(study, configuration).map(({ role, path }) => ({ role, ...recordFile(path) }));
}

function inputFiles(study: Study, configuration: Readonly<Record<string, unknown>>): readonly StudyInput[] {
  // A generator (`gen:gups,seed=42`) is wholly described by its name: there is no file to hash.
  return study.inputs(configuration).filter(({ path }) => !path.startsWith('gen:'));
}

interface InputState {
  readonly path: string;
  readonly state: string;
}

function inputStates(study: Study, configuration: Readonly<Record<string, unknown>>): InputState[] {
  return inputFiles(study, configuration).map(({ path }) => {
    const { size, mtimeMs, ino } = readableStat(path);
    return { path, state: `${size} ${mtimeMs} ${ino}` };
  });
}

/** What was hashed must be what was read. @throws StrataError `input.changed` */
function refuseChanged(before: readonly InputState[], after: readonly InputState[]): void {
  for (const [index, { path, state }] of before.entries()) {
    if (after[index]!.state === state) continue;
    throw new StrataError({
      code: 'input.changed',
      what: 'the file changed while it was being read, so the results cannot be recorded',
      where: path,
      mend: 'Run again when nothing writes to it any more.',
    });
  }
}
