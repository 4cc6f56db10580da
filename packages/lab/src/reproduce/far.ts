import { granularities, type Pattern, pagingClaims, referenceRun, simulatePaging } from '@strata/model/paging';
import { type ClaimVerdict, judge } from '../claims/verdict.ts';
import type { Figure } from '../figures/figure.ts';
import type { StudyContext } from '../studies/study.ts';
import { type Row, tableOf } from '../terminal/table.ts';
import { breathe } from './breathe.ts';
import type { Part } from './part.ts';

/** Far memory: what objects cost against pages on the same accesses. */
export const farPart: Part = {
  name: 'far',
  summary: 'far memory by objects and by pages, AIFM (OSDI 2020)',
  inputs: () => [],
  claims: async (context) => verdicts(context),
  async run(context) {
    const points = await granularityPoints(context);
    return {
      stats: { granularity: points },
      tables: [tableOf('far_granularity', points)],
      figures: [bytesFigure(points), fetchesFigure(points)],
      claims: await verdicts(context),
      warnings: [
        'far: objects win on bytes where accesses are scattered and lose on fetches where small objects follow each other; look at both figures.',
      ],
      notModelled: ['far: prefetching, read-ahead, headers and handles, and time on the link: exact LRU alone.'],
    };
  },
};

async function verdicts({ signal }: StudyContext): Promise<readonly ClaimVerdict[]> {
  const judged: ClaimVerdict[] = [];
  for (const claim of pagingClaims) {
    await breathe();
    signal.throwIfAborted();
    judged.push(judge(claim, claim.value(), claim.how));
  }
  return judged;
}

const patterns: readonly (readonly [string, Pattern])[] = [
  ['even', { kind: 'uniform' }],
  ['Zipf 0.85', { kind: 'zipf', exponent: 0.85 }],
  ['sequential', { kind: 'sequential' }],
];
const localShares = [0.0625, 0.125, 0.25, 0.5, 0.75];
const drawnAccesses = 300_000;

async function granularityPoints({ signal }: StudyContext): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [pattern, kind] of patterns)
    for (const granularity of granularities)
      for (const share of localShares) {
        await breathe();
        signal.throwIfAborted();
        const localBytes = share * referenceRun.objects * referenceRun.objectBytes;
        const result = simulatePaging({
          ...referenceRun,
          accesses: drawnAccesses,
          pattern: kind,
          localBytes,
          granularity,
        });
        rows.push({
          pattern,
          granularity,
          localPercent: 100 * share,
          fetches: result.fetches,
          bytesIn: result.bytesIn,
          fetchesPerAccess: result.fetches / drawnAccesses,
          bytesPerAccess: result.bytesIn / drawnAccesses,
        });
      }
  return rows;
}

const run = 'Exact LRU over 300,000 accesses to 65,536 objects of 64 bytes.';

function bytesFigure(rows: readonly Row[]): Figure {
  return granularityFigure(
    'far-bytes',
    'Bytes fetched by objects and by pages',
    'bytesPerAccess',
    'Bytes fetched per access',
    rows,
  );
}

function fetchesFigure(rows: readonly Row[]): Figure {
  return granularityFigure(
    'far-fetches',
    'Fetches by objects and by pages',
    'fetchesPerAccess',
    'Fetches per access',
    rows,
  );
}

function granularityFigure(name: string, title: string, field: string, label: string, rows: readonly Row[]): Figure {
  return {
    name,
    title,
    caption: `${run} First fetches count too.`,
    width: 'double',
    spec: {
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'localPercent', type: 'quantitative', title: 'Local memory (% of the objects)' },
        y: { field, type: 'quantitative', title: label, scale: { type: 'log' } },
        color: { field: 'pattern', type: 'nominal', title: 'Accesses', sort: null },
        strokeDash: { field: 'granularity', type: 'nominal', title: 'Granularity', sort: null },
      },
    },
    rows,
  };
}
