import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTrace } from './open.ts';
import type { OpenOptions } from './reader.ts';

const trace = 'gen:btree,size=1MiB,accesses=40000,instructions=true';

async function accessesOf(options: OpenOptions): Promise<{ rows: string[]; counts: readonly number[]; notes: string }> {
  const reader = await openTrace(trace, options);
  const rows: string[] = [];
  for await (const { length, hi, lo, kind, size } of reader.blocks())
    for (let row = 0; row < length; row++) rows.push(`${kind[row]} ${hi[row]} ${lo[row]} ${size[row]}`);
  await reader.close();
  const { loads, stores, fetches, accesses, warnings, dropped } = reader.summary;
  return { rows, counts: [loads, stores, fetches, accesses], notes: `${warnings} ${[...dropped]}` };
}

describe('a sampled trace', () => {
  it('holds the first accesses of each period of what skip and limit leave, and counts them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30_000 }),
        fc.integer({ min: 1, max: 30_000 }),
        fc.nat(20_000),
        async (one, other, skip) => {
          const [length, period] = [Math.min(one, other), Math.max(one, other)];
          const limit = 15_000;
          const whole = await accessesOf({ skip, limit });
          const { rows, counts } = await accessesOf({ skip, limit, sample: { length, period } });
          const expected = whole.rows.filter((_, at) => at % period < length);
          const ofKind = (kind: number) => expected.filter((row) => row.startsWith(`${kind} `)).length;
          expect(rows).toEqual(expected);
          expect(counts).toEqual([ofKind(0), ofKind(1), ofKind(2), expected.length]);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('says what was left out, and what that does to a simulation', async () => {
    const { notes } = await accessesOf({ sample: { length: 100, period: 1000 } });
    expect(notes).toMatch(/sampled: 100 of every 1000 accesses.*left out between samples,36000/);
  });
});
