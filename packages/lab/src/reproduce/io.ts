import { fileURLToPath } from 'node:url';
import { ioClaims, ioComparisons, ioMeasurements, protectionSchemes } from '@strata/model/io';
import { type ClaimVerdict, judge } from '../claims/verdict.ts';
import type { Figure } from '../figures/figure.ts';
import { kneesOf, type SweepPoint, sweep } from '../io/sweep.ts';
import type { StudyContext } from '../studies/study.ts';
import { type Row, tableOf } from '../terminal/table.ts';
import { breathe } from './breathe.ts';
import type { Part } from './part.ts';

const recording = fileURLToPath(new URL('../../fixtures/vtd-two-tenants.log', import.meta.url));

const common = { workload: 'iperf3', packets: 30, order: 'rr', gbps: 200, seed: 42, queue: 48 } as const;

/** A thousand tenants behind one IOMMU: architectures in the original's model, protection schemes on the machine. */
export const ioPart: Part = {
  name: 'io',
  summary: 'I/O address translation, HyperSIO/HyperTRIO (ISCA 2020), Fast and Safe, rIOMMU, DAMN',
  inputs: () => [{ role: 'log', path: recording }],
  claims: async () => verdicts(),
  async run(context) {
    const tenants = [1, 4, 16, 64, 256, 1024];
    const designs = ['base', 'ptb32', 'ptb48', 'hypertrio'];
    const architectures = await sweep({ ...common, mode: 'compat', tenants, designs }, context);
    const schemes = await sweep(
      {
        ...common,
        mode: 'correct',
        tenants: [1, 4, 16],
        packets: 1000,
        designs: [...protectionSchemes.names, 'hypertrio', 'utility'],
      },
      context,
    );
    const comparisons = await compared(context);
    return {
      stats: { architectures, schemes, comparisons, knees: kneesOf([...architectures, ...schemes]) },
      tables: [
        tableOf(
          'io_architectures',
          architectures.map((point) => ({ ...point })),
        ),
        tableOf(
          'io_schemes',
          schemes.map((point) => ({ ...point })),
        ),
        tableOf('io_published', comparisons),
      ],
      figures: [utilizationFigure(architectures), nestedFigure(comparisons)],
      claims: verdicts(),
      warnings: [
        'io: sizes of IOTLBs and walk caches, and costs of cores and commands, are assumptions unless their source says otherwise: protection schemes show directions, not figures.',
      ],
      notModelled: [
        'io: credits and reordering of PCI Express, several devices behind one IOMMU, the caches that walkers read through, recordings of invalidations',
      ],
    };
  },
};

/** Published figures beside ours, one at a time so that an interrupt gets in between. */
async function compared({ signal }: StudyContext): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { id, statement, source, published, unit, measure, why } of ioComparisons) {
    await breathe();
    signal.throwIfAborted();
    rows.push({ id, statement, published, measured: measure(), unit, why, source });
  }
  return rows;
}

function verdicts(): ClaimVerdict[] {
  return ioClaims.map((claim) => judge(claim, ioMeasurements.get(claim.measure)?.(), 'generated iperf3 pattern'));
}

function utilizationFigure(points: readonly SweepPoint[]): Figure {
  return {
    name: 'io-utilization',
    title: 'Link bandwidth left to many tenants',
    caption:
      "Achievable share of a 200 Gb/s link in the original's model, tenants in round robin, 30 packets each of an iperf3-like pattern, start-up included.",
    width: 'single',
    spec: {
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'tenants', type: 'quantitative', title: 'Tenants', scale: { type: 'log', base: 2 } },
        y: { field: 'utilization', type: 'quantitative', title: 'Share of the link', scale: { domain: [0, 1.05] } },
        color: { field: 'design', type: 'nominal', title: null },
        shape: { field: 'design', type: 'nominal', legend: null },
      },
    },
    rows: points.map((point) => ({ ...point })),
  };
}

const coresOf = /^io\.nested-(\d+)-cores$/;

function nestedFigure(comparisons: readonly Row[]): Figure {
  const rows = comparisons.flatMap(({ id, published, measured }): Row[] => {
    const cores = Number(coresOf.exec(String(id))?.[1]);
    if (Number.isNaN(cores)) return [];
    return [
      { cores, gbps: published, what: 'published' },
      { cores, gbps: measured, what: 'simulated' },
    ];
  });
  return {
    name: 'io-nested-collapse',
    title: 'A nested vIOMMU in strict mode',
    caption:
      'Throughput by cores of the guest: published by the repository of Fast and Safe, and simulated with one locked invalidation queue whose tail register exits to the host.',
    width: 'single',
    spec: {
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'cores', type: 'quantitative', title: 'Cores' },
        y: { field: 'gbps', type: 'quantitative', title: 'Gb/s' },
        color: { field: 'what', type: 'nominal', title: null },
        shape: { field: 'what', type: 'nominal', legend: null },
      },
    },
    rows,
  };
}
