import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { applicationSpeedup } from './application.ts';
import type { TranslateDocument } from './document.ts';
import { translate } from './study.ts';

const folder = temporaryFolder('application');

const context = {
  signal: new AbortController().signal,
  progress: { update: () => {}, note: () => {}, end: () => {} },
  workers: 1,
  note: () => {},
};

const measured = `
       3,000,000,000      dtlb_load_misses.walk_pending
                   0      dtlb_store_misses.walk_pending
                   0      itlb_misses.walk_pending
          30,000,000      dtlb_load_misses.walk_completed
                   0      dtlb_store_misses.walk_completed
                   0      itlb_misses.walk_completed
       2,500,000,000      cycles
`;

describe('application speedups', () => {
  it('are those of the published example: 91.8 % overhead and 1.22x make 1.20x', () => {
    expect(applicationSpeedup(0.918, 1.22)).toBeCloseTo(1.2, 2);
  });

  it('are 1 for what changes nothing, and unknown without walks', () => {
    expect(applicationSpeedup(0.5, 1)).toBe(1);
    expect(applicationSpeedup(0, 100)).toBe(1);
    expect(applicationSpeedup(0.5, null)).toBeNull();
  });

  it('come with every design of correct mode when counters were measured, in the document, table and headline', async () => {
    const perf = join(folder, 'walks.txt');
    writeFileSync(perf, measured);
    const { stats, tables, headline } = await translate.execute(
      translate.resolve({
        trace: 'gen:gups,size=64MiB,accesses=20000',
        setup: 'virtualized',
        designs: ['radix', 'shadow'],
        perf,
      }),
      context,
    );
    const { designs, perf: document } = stats as Partial<TranslateDocument>;
    expect(document).toEqual({ event: 'walk_pending', walkOverhead: 0.6, walkLatencyCycles: 100 });
    for (const { speedup, applicationSpeedup: application } of Object.values(designs!))
      expect(application).toBeCloseTo(1 / (1 - 0.6 + 0.6 / speedup!), 12);
    expect(designs!.radix!.applicationSpeedup).toBe(1);
    expect(designs!.shadow!.applicationSpeedup).toBeGreaterThan(1);
    // The traps of shadow paging are part of what the program waits for.
    expect(designs!.shadow!.applicationSpeedupWithMaintenance).toBeLessThan(designs!.shadow!.applicationSpeedup!);
    expect(tables[0]!.columns.map(({ name }) => name)).toContain('applicationSpeedup');
    expect(headline).toContain('60.0 % of the run in page walks (walk_pending), 100.0 cycles per walk');
  });

  it('name the file that cannot be read', async () => {
    const configuration = translate.resolve({ trace: 'gen:gups,accesses=10', perf: join(folder, 'nowhere') });
    await expect(translate.execute(configuration, context)).rejects.toThrow(
      /cannot read.*nowhere|nowhere.*cannot read/,
    );
  });
});
