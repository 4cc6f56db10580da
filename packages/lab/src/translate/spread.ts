import type { Configuration } from '../config/load.ts';
import type { StudyContext } from '../studies/study.ts';
import type { Table } from '../terminal/table.ts';
import type { InputValues } from './configuration.ts';
import type { TranslateRun } from './correct-run.ts';
import type { DesignDocument, TranslateDocument } from './document.ts';
import { traceOfSeed } from './seeds.ts';

type Run = (input: InputValues, rest: Configuration, context: StudyContext) => Promise<TranslateRun>;

interface Seeded {
  readonly input: InputValues;
  readonly rest: Configuration;
}

/** The same simulation with `input.seeds` seeds from the given one on. */
export function seeded(input: InputValues, rest: Configuration): Seeded[] {
  const first = Number(rest.seed ?? 0);
  return Array.from({ length: input.seeds }, (_, at) => {
    const seed = first + at;
    const trace = input.seeds > 1 ? traceOfSeed(input, seed) : input.trace;
    return { input: { ...input, trace }, rest: { ...rest, seed } };
  });
}

/** Simulates with every seed; ends early with an interrupted one. */
export async function seedRuns(
  input: InputValues,
  rest: Configuration,
  context: StudyContext,
  run: Run,
): Promise<TranslateRun[]> {
  const runs: TranslateRun[] = [];
  for (const one of seeded(input, rest)) {
    runs.push(await run(one.input, one.rest, context));
    if (runs.at(-1)!.interrupted) break;
  }
  return runs;
}

const figures = [
  'cyclesPerWalk',
  'referencesPerWalk',
  'coverage',
  'tableBytes',
  'maintenanceCycles',
  'bytesMigrated',
  'allocationFailures',
  'speedup',
  'speedupWithMaintenance',
] as const satisfies readonly (keyof DesignDocument)[];

/** One figure of one design over seeds. */
export interface Spread {
  readonly setup: string;
  readonly design: string;
  readonly figure: (typeof figures)[number];
  readonly seeds: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** @param documents of the same set-up and designs, at least one; a figure that some seed lacks is left out */
export function spreadOf(documents: readonly TranslateDocument[]): Spread[] {
  const { setup, designs } = documents[0]!;
  return Object.keys(designs).flatMap((design) =>
    figures.flatMap((figure): Spread[] => {
      const values = documents.map((one) => one.designs[design]?.[figure]).filter((value) => typeof value === 'number');
      if (values.length < documents.length) return [];
      const seeds = values.length;
      return [
        { setup, design, figure, seeds, median: median(values), min: Math.min(...values), max: Math.max(...values) },
      ];
    }),
  );
}

/** Figures that count: the middle of two of them may lie between two whole numbers, and is rounded. */
const counts: readonly string[] = ['tableBytes', 'maintenanceCycles', 'bytesMigrated', 'allocationFailures'];

/** The first document with medians in place of the figures of its designs. */
export function medianOf(documents: readonly TranslateDocument[]): TranslateDocument {
  const first = documents[0]!;
  const designs = Object.entries(first.designs).map(([name, design]) => [name, { ...design }] as const);
  const byName: Record<string, DesignDocument> = Object.fromEntries(designs);
  for (const { design, figure, median: value } of spreadOf(documents))
    byName[design] = { ...byName[design]!, [figure]: counts.includes(figure) ? Math.round(value) : value };
  return { ...first, referencesPerWalk: byName.radix?.referencesPerWalk ?? null, designs: byName };
}

/** Figures that differ between seeds: the others say nothing that the tables of medians do not. */
export function varying<T extends Spread>(spread: readonly T[]): T[] {
  return spread.filter(({ min, max }) => min !== max);
}

/** How much of what was asked for with several seeds depends on them. */
export function spreadNotes(spread: readonly Spread[]): string[] {
  if (spread.length === 0) return [];
  const seeds = Math.max(...spread.map((one) => one.seeds));
  const count = varying(spread).length;
  if (count === 0) return [`all ${seeds} seeds gave the same figures: nothing is random in this trace and machine.`];
  return [
    `figures are medians over ${seeds} seeds; ${count} of ${spread.length} differ between seeds, and are listed.`,
  ];
}

export function spreadTable(spread: readonly (Spread & { readonly variation?: string })[]): Table {
  const isVaried = spread.some(({ variation }) => variation !== undefined);
  return {
    name: 'spread',
    rows: spread.map((one) => ({ ...one })),
    columns: [
      ...(isVaried ? [{ name: 'variation', type: 'text' } as const] : []),
      { name: 'setup', type: 'text' },
      { name: 'design', type: 'text' },
      { name: 'figure', type: 'text' },
      { name: 'seeds', type: 'integer' },
      { name: 'median', type: 'real', decimals: 3 },
      { name: 'min', type: 'real', decimals: 3 },
      { name: 'max', type: 'real', decimals: 3 },
    ],
  };
}
