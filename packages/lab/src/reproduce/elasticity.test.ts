import { describe, expect, it } from 'vitest';
import { createProgress } from '../terminal/progress.ts';
import { elasticityPart } from './elasticity.ts';

const context = {
  signal: new AbortController().signal,
  progress: createProgress({ label: 'test', unit: 'runs', quiet: true, always: false }),
  workers: 1,
  note: () => undefined,
};

const outcome = await elasticityPart.run(context);

describe('the main job, memory elasticity', () => {
  it.each(outcome.claims.map(({ claim, ...verdict }) => [claim.id, { claim, ...verdict }] as const))(
    '%s holds',
    (_, { verdict, measured, claim }) => {
      expect(verdict, `measured ${measured}, published ${claim.published}`).toBe('holds');
    },
  );

  it('covers C1 to C14', () => {
    const covered = new Set(outcome.claims.map(({ claim }) => /C\d+/.exec(claim.id)![0]));
    expect(covered.size).toBe(14);
  });

  it('shows every recorded footprint beside the modelled one, within 4 %', () => {
    const rows = outcome.tables.find(({ name }) => name === 'elasticity_footprints')!.rows;
    expect(rows).toHaveLength(10);
    for (const row of rows) expect(Math.abs(Number(row.errorPercent)), String(row.run)).toBeLessThan(4);
  });

  it('packs as recorded and as published, and shows both', () => {
    const rows = outcome.tables.find(({ name }) => name === 'elasticity_packing')!.rows;
    expect(rows.map(({ technique, vms, vmsAsPublished }) => [technique, vms, vmsAsPublished])).toEqual([
      ['static', 3, 3],
      ['free-page-reporting', 3, 4],
      ['virtio-mem', expect.any(Number), null],
      ['hyperalloc', 5, 5],
    ]);
    // Published: the 95th percentile of five VMs is 43.1 GiB, of four with reporting 46.7 GiB.
    expect(rows[3]!.peakGibAsPublished).toBeCloseTo(43.1, 0);
    expect(Math.abs(Number(rows[1]!.peakGibAsPublished) / 46.7 - 1)).toBeLessThan(0.06);
  });
});
