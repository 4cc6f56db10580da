import { describe, expect, it } from 'vitest';
import { dryRun, dryRunRows } from './dry-run.ts';
import { translate } from './study.ts';

const { signal } = new AbortController();
const dry = (given: Record<string, unknown>, options = {}) => dryRun(translate.resolve(given), signal, options);

describe('a dry run', () => {
  it('counts a trace that ends within the trial', async () => {
    const short = await dry({ trace: 'gen:gups,size=1MiB,accesses=3000' });
    expect(short).toMatchObject({ accesses: 3000, accessesExact: true, simulations: 1, diskBytes: 0 });
    const cut = await dry({ trace: 'gen:gups,size=1MiB,accesses=3000', skip: 500, limit: 1000 });
    expect(cut).toMatchObject({ accesses: 1000, accessesExact: true });
  });

  it('extrapolates a long one from the share it saw, limits and skips included', async () => {
    const trace = 'gen:gups,size=16MiB,accesses=1e9';
    const long = await dry({ trace });
    expect(long.accessesExact).toBe(false);
    expect(long.accesses / 1e9).toBeCloseTo(1, 2);
    expect(long.seconds).toBeCloseTo(long.accesses / long.accessesPerSecond, -1);
    const limited = await dry({ trace, limit: 5e8 });
    expect(limited.accesses / 5e8).toBeCloseTo(1, 2);
  });

  it('counts simulations, workers and the folder that would be written', async () => {
    const trace = 'gen:gups,size=1MiB,accesses=20000';
    const swept = await dry({ trace }, { simulations: 8, workers: 2, writes: true });
    expect(swept.seconds).toBeCloseTo((4 * swept.accesses) / swept.accessesPerSecond, 0);
    expect(swept.diskBytes).toBeGreaterThan(100_000);
    expect((await dry({ trace, seeds: 5 })).simulations).toBe(5);
    expect(dryRunRows(swept).map(({ would }) => would)).toEqual([
      'accesses',
      'simulations',
      'rate',
      'expected time',
      'memory',
      'disk',
    ]);
  });
});
