import type { Claim } from '@strata/model/machine';
import { demandSpaces, resolveTranslationConfig } from '@strata/model/translation';
import {
  compatTableOf,
  type FormulaDesign,
  formulaResults,
  parseQuirks,
  simulateCompat,
} from '@strata/model/translation/compat';
import { type ClaimVerdict, judge } from '../claims/verdict.ts';
import type { StudyContext } from '../studies/study.ts';
import { split } from '../translate/configuration.ts';
import { translate } from '../translate/study.ts';
import { eachBlock } from '../translate/trace-input.ts';

/** The original simulators on GUPS, with tables that the operating-system model builds for it. */
export interface ArtifactRun {
  readonly recording: string;
  readonly setup: 'native' | 'virtualized';
  /** `all` = the original as published. */
  readonly quirks: 'all' | 'none';
  readonly walks: number;
  readonly referencesPerWalk: number;
  readonly designs: ReturnType<typeof formulaResults>;
}

const trace = 'gen:gups,size=1GiB,accesses=1000000';
const warmupReferences = 100_000;

export async function runArtifact(context: StudyContext): Promise<ArtifactRun[]> {
  const runs: ArtifactRun[] = [];
  for (const setup of ['native', 'virtualized'] as const) {
    const { tables, hostTables } = await modelledTables(setup, context);
    for (const quirks of ['all', 'none'] as const) {
      const simulation = simulateCompat({
        config: { setup, warmupReferences },
        quirks: parseQuirks(quirks),
        tables,
        ...(hostTables === undefined ? {} : { hostTables }),
      });
      const { input } = split(translate.resolve({ trace }));
      await eachBlock(input, { events: true }, context, (block) => simulation.feed(block));
      if (context.signal.aborted) return runs;
      const result = simulation.finish();
      const { walks, referencesPerWalk } = result;
      const designs = formulaResults(result, { setup });
      runs.push({ recording: 'gups-1GiB', setup, quirks, walks, referencesPerWalk, designs });
    }
  }
  return runs;
}

/** Tables of a process (and its VM) that has touched every page of the trace. */
async function modelledTables(setup: 'native' | 'virtualized', context: StudyContext) {
  const { input, rest } = split(translate.resolve({ trace, setup }));
  const spaces = demandSpaces(resolveTranslationConfig(rest))(0);
  await eachBlock(input, {}, context, (block) => {
    for (let at = 0; at < block.length; at++) spaces[0]!.ensure(block.hi[at]! * 2 ** 20 + (block.lo[at]! >>> 12));
  });
  const [tables, hostTables] = spaces.map(({ table }) => compatTableOf(table));
  return { tables: tables!, hostTables };
}

/** The artifact prints speedups with two decimals: 1.00x is no speedup. */
const leastShown = 0.005;

const readme = 'DMT artifact, README: claims';

/** What the artifact promises of its own arithmetic, held against its own arithmetic on our input. */
export function artifactClaims(runs: readonly ArtifactRun[]): ClaimVerdict[] {
  const speedup = (setup: string, design: FormulaDesign) =>
    runs.find((run) => run.setup === setup && run.quirks === 'all')?.designs[design]?.speedup;
  const difference = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a - b;
  const how = 'original simulator and formulas, all quirks on; GUPS 1 GiB, tables from the operating-system model';
  return [
    judge(
      claim('dmt-native', 'DMT speeds native page walks up', readme, '> 1.00x', 'x'),
      speedup('native', 'dmt'),
      how,
    ),
    judge(
      claim(
        'dmt-virtualized',
        'DMT speeds page walks in a VM up (one workload here: only the direction is held)',
        'DMT, ASPLOS 2024, abstract',
        '1.58x on average',
        'x',
      ),
      speedup('virtualized', 'dmt'),
      how,
    ),
    judge(
      {
        ...claim(
          'pvdmt-over-dmt',
          'paravirtualization adds to that: speedup of pvDMT less that of DMT',
          readme,
          'pvDMT > DMT',
          'x',
        ),
        expectation: { kind: 'at-least', value: leastShown },
      },
      difference(speedup('virtualized', 'pvdmt'), speedup('virtualized', 'dmt')),
      how,
    ),
  ];
}

function claim(name: string, statement: string, source: string, published: string, unit: string): Claim {
  return {
    id: `translation.artifact.${name}`,
    statement,
    source,
    published,
    unit,
    expectation: { kind: 'at-least', value: 1 + leastShown },
    measure: `translation.artifact.${name}`,
  };
}
