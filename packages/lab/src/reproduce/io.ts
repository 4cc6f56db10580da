import { fileURLToPath } from 'node:url';
import { ioClaims, ioMeasurements } from '@strata/model/io';
import { type ClaimVerdict, judge } from '../claims/verdict.ts';
import type { Figure } from '../figures/figure.ts';
import { kneesOf, type SweepPoint, sweep } from '../io/sweep.ts';
import { tableOf } from '../terminal/table.ts';
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
      { ...common, mode: 'correct', tenants: [1, 16, 256], designs: ['passthrough', 'strict', 'deferred', 'riommu'] },
      context,
    );
    return {
      stats: { architectures, schemes, knees: kneesOf([...architectures, ...schemes]) },
      tables: [
        tableOf(
          'io_architectures',
          architectures.map((point) => ({ ...point })),
        ),
        tableOf(
          'io_schemes',
          schemes.map((point) => ({ ...point })),
        ),
      ],
      figures: [utilizationFigure(architectures)],
      claims: verdicts(),
      warnings: [
        'io: sizes of the IOTLB, number of walkers and cost of an invalidation are assumptions: protection schemes show directions, not figures.',
      ],
      notModelled: [
        'io: PCI Express credits and bandwidth of translation messages, page requests, interrupt remapping, contention of cores for the invalidation queue',
      ],
    };
  },
};

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
        shape: { field: 'design', type: 'nominal', title: null },
      },
    },
    rows: points.map((point) => ({ ...point })),
  };
}
