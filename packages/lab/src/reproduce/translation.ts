import { designs, tableDesignClaims, translationClaims, translationMeasurements } from '@strata/model/translation';
import { type ClaimVerdict, judge } from '../claims/verdict.ts';
import type { StudyContext } from '../studies/study.ts';
import { type Row, type Table, tableOf } from '../terminal/table.ts';
import { split } from '../translate/configuration.ts';
import { runCorrect } from '../translate/correct-run.ts';
import { assumptionsIn, cyclesFigure, figuresOf, type TranslateDocument } from '../translate/document.ts';
import { notModelled } from '../translate/limits.ts';
import { translate } from '../translate/study.ts';
import { type ArtifactRun, artifactClaims, runArtifact } from './artifact.ts';
import { breathe } from './breathe.ts';
import type { Part, PartOutcome } from './part.ts';
import { type Recording, recordings } from './recordings.ts';

const setups = ['native', 'virtualized', 'nested'] as const;

/** CPU address translation: the walk's algebra, the artifact's own arithmetic, and the machine on every recording. */
export const translationPart: Part = {
  name: 'translation',
  summary: 'CPU address translation, DMT/pvDMT (ASPLOS 2024)',
  inputs: () => recordings.map(({ path }) => ({ role: 'trace', path })),
  claims: async (context) => (await measureClaims(context)).claims,
  async run(context) {
    const { claims, artifact } = await measureClaims(context);
    const runs: RecordedRun[] = [];
    const warnings: string[] = [];
    for (const recording of recordings) {
      for (const setup of setups) {
        if (context.signal.aborted) break;
        const run = await simulate(recording, setup, context);
        runs.push({ recording, document: run.document });
        warnings.push(...run.warnings.map((warning) => `${recording.name}: ${warning}`));
      }
    }
    return outcomeOf(runs, artifact, claims, warnings);
  },
};

/** Each claim measured; interrupted, those so far. */
async function measureClaims(context: StudyContext) {
  const walk = translationClaims.map(
    (claim) => () => judge(claim, translationMeasurements.get(claim.measure)?.(), howMeasured(claim.id)),
  );
  const tables = tableDesignClaims.map(
    ({ claim, measure, why }) =>
      () =>
        judge(claim, measure(), `engine, synthetic loads; ${why}`),
  );
  const claims: ClaimVerdict[] = [];
  for (const verdict of [...walk, ...tables]) {
    await breathe();
    if (context.signal.aborted) return { artifact: [], claims };
    claims.push(verdict());
  }
  const artifact = await runArtifact(context);
  return { artifact, claims: context.signal.aborted ? claims : [...claims, ...artifactClaims(artifact)] };
}

function howMeasured(id: string): string {
  return id.startsWith('translation.designs.')
    ? 'engine, 12,576 random loads from one table after 12,000 to warm up'
    : 'engine, one cold walk without walk caches';
}

interface RecordedRun {
  readonly recording: Recording;
  readonly document: TranslateDocument;
}

/** All designs together walk slowly, and every other access of GUPS walks: enough of it for stable means, little enough for the main job. */
const heaviestAccesses = 200_000;

/** Every design on the recording with the most walks; on the others the baseline and shadow paging. */
async function simulate(recording: Recording, setup: (typeof setups)[number], context: StudyContext) {
  const { path } = recording;
  const isHeaviest = recording === recordings.at(-1);
  const offered = [...designs]
    .filter(({ name, setups: has }) => has.includes(setup) && (isHeaviest || ['radix', 'shadow'].includes(name)))
    .map(({ name }) => name);
  const { input, rest } = split(
    translate.resolve({ trace: path, setup, designs: offered, limit: isHeaviest ? heaviestAccesses : 0 }),
  );
  return runCorrect(input, rest, context);
}

function outcomeOf(
  runs: readonly RecordedRun[],
  artifact: readonly ArtifactRun[],
  claims: PartOutcome['claims'],
  warnings: readonly string[],
): PartOutcome {
  const heaviest = runs.filter(({ recording }) => recording === recordings.at(-1));
  const virtualized = heaviest.find(({ document }) => document.setup === 'virtualized');
  const [, steps, latency] = virtualized === undefined ? [] : figuresOf(virtualized.document);
  return {
    stats: {
      artifact,
      recordings: runs.map(({ recording, document }) => ({ recording: recording.name, ...document })),
    },
    tables: [designsTable(runs), artifactTable(artifact)],
    figures: [
      ...(heaviest.length > 0 ? [cyclesFigure(heaviest.map(({ document }) => document))] : []),
      ...(steps === undefined ? [] : [steps]),
      ...(latency === undefined ? [] : [latency]),
    ],
    claims,
    warnings,
    notModelled: notModelled.correct,
    assumptions: assumptionsIn(runs.map(({ document }) => document)),
  };
}

function designsTable(runs: readonly RecordedRun[]): Table {
  const rows = runs.flatMap(({ recording, document }) =>
    Object.entries(document.designs).map(
      ([design, result]): Row => ({
        recording: recording.name,
        setup: document.setup,
        design,
        accesses: document.trace.references,
        walksPerThousand: document.walksPerThousandAccesses,
        referencesPerWalk: result.referencesPerWalk,
        cyclesPerWalk: result.cyclesPerWalk,
        p99Cycles: result.walkLatency?.p99,
        speedup: result.speedup,
        maintenanceCycles: result.maintenanceCycles,
      }),
    ),
  );
  return tableOf('translation', rows);
}

function artifactTable(runs: readonly ArtifactRun[]): Table {
  const rows = runs.flatMap(({ recording, setup, quirks, designs, ...run }) =>
    Object.entries(designs).map(
      ([design, { cyclesPerWalk, speedup, referencesPerWalk }]): Row => ({
        recording,
        setup,
        quirks,
        design,
        baselineReferencesPerWalk: run.referencesPerWalk,
        referencesPerWalk,
        cyclesPerWalk,
        speedup,
      }),
    ),
  );
  return tableOf('translation_artifact', rows);
}
