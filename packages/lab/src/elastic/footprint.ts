import {
  cutDemand,
  type Demand,
  type FootprintResult,
  footprintOf,
  summaryOf,
  translationEventsOf,
} from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { footprintFigures, footprintSeriesTable, footprintSummaryTable } from './footprint-tables.ts';
import {
  addDemandOptions,
  addTechniqueOptions,
  type DemandOptions,
  hostOf,
  knobsOf,
  numberOf,
  oneDemandOf,
  type TechniqueOptions,
  techniqueOf,
} from './options.ts';

import { pagewise, pagewiseFootprint } from './pagewise.ts';

interface FootprintOptions extends TechniqueOptions, DemandOptions, OutputOptions {
  readonly demand: string;
  readonly allocator?: string;
  readonly after?: string;
  readonly until?: string;
}

export function registerFootprint(parent: Command): void {
  const command = parent
    .command('footprint')
    .description('what the host has resident over time for a VM, from a trace of its demand');
  addDemandOptions(addTechniqueOptions(command))
    .requiredOption('--demand <file>', 'a recording, or gen:compile, gen:blender, gen:cache, gen:idle')
    .option(
      '--allocator <name>',
      'allocator of the guest, buddy or llfree; default: the one that the technique comes with',
    )
    .option('--after <seconds>', 'leave out what comes before')
    .option('--until <seconds>', 'leave out what comes after');
  addExamples(addOutputOptions(command), [
    'strata elastic footprint --demand gen:compile,minutes=50 --technique hyperalloc',
    'strata elastic footprint --demand packages/lab/fixtures/elastic/runs.csv.gz --select clang-base-manual/0 --technique fpr --json',
  ]).action(async (options: FootprintOptions) => {
    const { technique, vfio } = techniqueOf(options);
    const profile = await hostOf(options);
    const config = await knobsOf(options);
    const allocator = allocatorOf(options.allocator);
    if (options.replay === pagewise) {
      await interruptible((signal) => pagewiseFootprint(options, { technique, vfio, config, signal }));
      return;
    }
    const { demand, warnings } = await interruptible((signal) => demandOf(options, signal));
    const result = footprintOf({
      demand,
      technique,
      vfio,
      profile,
      config,
      ...(allocator !== undefined && { allocator }),
    });
    const recorded = recordedOf(demand, technique.name, vfio, result);
    for (const sentence of [...warnings, ...result.notes]) note(`strata: ${sentence}`, options);
    const figures = { ...footprintFigures(result), costSeconds: result.costSeconds };
    await emit(
      {
        document: {
          technique: technique.name,
          vfio,
          demand: demand.name,
          profile: profile.name,
          ...figures,
          basis: result.basis,
          ...(recorded !== undefined && { recorded }),
          operations: Object.fromEntries(result.operations.map(({ cost, count }) => [cost, Math.round(count)])),
          translation: translationEventsOf(result.operations),
          notes: [...warnings, ...result.notes],
          series: seriesOf(result),
        },
        tables: [
          options.csv || options.parquet
            ? footprintSeriesTable(seriesOf(result))
            : footprintSummaryTable(demand.name, technique.name, figures, { minutes: 1, size: 2 }),
        ],
      },
      options,
    );
  });
}

async function demandOf(options: FootprintOptions, signal: AbortSignal) {
  const { demand, warnings } = await oneDemandOf(options.demand, options, signal);
  if (options.after === undefined && options.until === undefined) return { demand, warnings };
  const after = options.after === undefined ? 0 : numberOf(options.after, '--after', 0);
  const until = options.until === undefined ? Number.POSITIVE_INFINITY : numberOf(options.until, '--until', 0);
  return { demand: cutDemand(demand, after, until, options.demand), warnings };
}

function allocatorOf(word: string | undefined): 'buddy' | 'llfree' | undefined {
  if (word === undefined || word === 'buddy' || word === 'llfree') return word;
  throw new StrataError({
    code: 'usage.allocator',
    what: `unknown allocator ${word}`,
    where: '--allocator',
    expected: 'buddy or llfree',
  });
}

/** What the recording itself says, when it was made under the same technique. */
function recordedOf({ recorded, seconds }: Demand, technique: string, vfio: boolean, result: FootprintResult) {
  if (recorded === undefined) return undefined;
  const figures = footprintFigures(summaryOf({ seconds, mib: recorded.residentMib }));
  const same = recorded.technique === technique && recorded.vfio === vfio;
  return {
    technique: recorded.technique ?? null,
    vfio: recorded.vfio,
    ...figures,
    errorPercent: same ? 100 * (result.gibMinutes / figures.gibMinutes - 1) : null,
  };
}

function seriesOf({ resident: { seconds, mib }, limitMib, usedHugeMib }: FootprintResult) {
  return Array.from(seconds, (time, at) => ({
    seconds: time,
    residentGiB: mib[at]! / 1024,
    neededGiB: usedHugeMib[at]! / 1024,
    limitGiB: limitMib[at]! / 1024,
  }));
}
