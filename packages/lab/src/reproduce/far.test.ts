import { describe, expect, it } from 'vitest';
import { createProgress } from '../terminal/progress.ts';
import { farPart } from './far.ts';

const outcome = await farPart.run({
  signal: new AbortController().signal,
  progress: createProgress({ label: 'test', unit: 'runs', quiet: true, always: false }),
  workers: 1,
  note: () => undefined,
});

describe('the main job, far memory', () => {
  it.each(outcome.claims.map(({ claim, ...verdict }) => [claim.id, { claim, ...verdict }] as const))(
    '%s holds, or is open where it takes two machines',
    (id, { verdict, measured, claim }) => {
      const expected = id === 'far.fastswap' ? 'open' : 'holds';
      expect(verdict, `measured ${measured}, published ${claim.published}`).toBe(expected);
    },
  );

  it('shows that objects move fewer bytes wherever accesses are scattered, and more transfers where they are not', () => {
    const rows = outcome.tables.find(({ name }) => name === 'far_granularity')!.rows;
    const at = (pattern: string, granularity: string) =>
      rows.filter((row) => row.pattern === pattern && row.granularity === granularity);
    for (const [index, object] of at('even', 'object').entries())
      expect(Number(object.bytesIn)).toBeLessThan(Number(at('even', 'page')[index]!.bytesIn) / 20);
    for (const [index, object] of at('sequential', 'object').entries())
      expect(Number(object.fetches)).toBeGreaterThan(20 * Number(at('sequential', 'page')[index]!.fetches));
  });
});
