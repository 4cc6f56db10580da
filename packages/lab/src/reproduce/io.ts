import { fileURLToPath } from 'node:url';
import { ioMeasuredClaims, protectionSchemes } from '@strata/model/io';
import { type ClaimVerdict, judge, leaveOpen } from '../claims/verdict.ts';
import type { Figure } from '../figures/figure.ts';
import { kneesOf, rowOfPoint, type SweepPoint, sweep } from '../io/sweep.ts';
import type { StudyContext } from '../studies/study.ts';
import { type Column, type Row, type Table, tableOf } from '../terminal/table.ts';
import { breathe } from './breathe.ts';
import type { Part } from './part.ts';

const recording = fileURLToPath(new URL('../../fixtures/vtd-two-tenants.log', import.meta.url));

const common = { workload: 'iperf3', packets: 30, order: 'rr', gbps: 200, seed: 42, queue: 48 } as const;

/** A thousand tenants behind one IOMMU: architectures in the original's model, protection schemes on the machine. */
export const ioPart: Part = {
  name: 'io',
  summary: 'I/O address translation, HyperSIO/HyperTRIO (ISCA 2020), Fast and Safe, rIOMMU, DAMN',
  inputs: () => [{ role: 'log', path: recording }],
  claims: async (context) => (await judged(context)).map(({ verdict }) => verdict),
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
    const judgements = await judged(context);
    const comparisons = judgements.map(comparison);
    return {
      stats: { architectures, schemes, comparisons, knees: kneesOf([...architectures, ...schemes]) },
      tables: [
        sweepTable('io_architectures', architectures),
        sweepTable('io_schemes', schemes),
        tableOf('io_published', comparisons),
      ],
      figures: [utilizationFigure(architectures), nestedFigure(judgements)],
      claims: judgements.map(({ verdict }) => verdict),
      warnings: [
        'io: sizes of IOTLBs and walk caches, and costs of cores and commands, are assumptions unless their source says otherwise: protection schemes show directions, not figures.',
      ],
      notModelled: [
        'io: credits and reordering of PCI Express, several devices behind one IOMMU, the caches that walkers read through, recordings of invalidations',
      ],
    };
  },
};

/** One at a time, so that an interrupt gets in between. What does not come out is open, with both figures and the reason. */
async function judged({ signal }: Pick<StudyContext, 'signal'>): Promise<{ verdict: ClaimVerdict; value: number }[]> {
  const judgements: { verdict: ClaimVerdict; value: number }[] = [];
  for (const { claim, value: measure, open } of ioMeasuredClaims) {
    await breathe();
    signal.throwIfAborted();
    const value = measure();
    const verdict = open === undefined ? judge(claim, value, 'modelled') : leaveOpen(claim, value, open);
    judgements.push({ verdict, value });
  }
  return judgements;
}

/** Every published figure beside ours; what its measurement rests on stands with the claim. */
function comparison({ verdict: { claim, verdict }, value }: Awaited<ReturnType<typeof judged>>[number]): Row {
  const { id, published, unit, rests } = claim;
  return { claim: id, published, measured: value, unit: unit ?? '', verdict, basis: rests?.on ?? '' };
}

/** Headings short enough for a page. */
const headings: Readonly<Record<string, string>> = {
  utilization: 'of the link',
  packetsDropped: 'dropped',
  iotlbHitRate: 'IOTLB hits',
  readsPerTranslation: 'reads',
  worstTenantP99Ns: 'worst p99 ns',
  windowMeanNs: 'window ns',
};

function sweepTable(name: string, points: readonly SweepPoint[]): Table {
  const table = tableOf(name, points.map(rowOfPoint));
  const titled = (column: Column): Column => {
    const title = headings[column.name];
    const decimals = column.name.endsWith('Ns') || column.name === 'mbps' ? { decimals: 0 } : {};
    return { ...column, ...(title === undefined ? {} : { title }), ...decimals };
  };
  return { ...table, columns: table.columns.map(titled) };
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
        x: {
          field: 'tenants',
          type: 'quantitative',
          title: 'Tenants',
          scale: { type: 'log', base: 2, nice: false },
          axis: { values: [...new Set(points.map(({ tenants }) => tenants))], labelOverlap: false, labelFlush: false },
        },
        y: { field: 'utilization', type: 'quantitative', title: 'Share of the link', scale: { domain: [0, 1.05] } },
        color: { field: 'design', type: 'nominal', title: null },
        shape: { field: 'design', type: 'nominal', legend: null },
      },
    },
    rows: points.map(rowOfPoint),
  };
}

const coresOf = /^io\.nested-(\d+)-cores$/;

function nestedFigure(judgements: Awaited<ReturnType<typeof judged>>): Figure {
  const rows = judgements.flatMap(({ verdict: { claim }, value }): Row[] => {
    const cores = Number(coresOf.exec(claim.id)?.[1]);
    if (Number.isNaN(cores) || claim.expectation.kind !== 'equals') return [];
    return [
      { cores, gbps: claim.expectation.value, what: 'published' },
      { cores, gbps: value, what: 'simulated' },
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
