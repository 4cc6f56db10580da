import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StudyContext } from '../studies/study.ts';
import { createProgress } from '../terminal/progress.ts';
import { recordings } from './recordings.ts';
import { parts, reproduce } from './reproduce.ts';

const contextOf = (signal: AbortSignal): StudyContext => ({
  signal,
  progress: createProgress({ label: 'test', unit: 'runs', quiet: true, always: false }),
  workers: 1,
  note: () => undefined,
});

describe('the main job', () => {
  it('reads recordings that are in the repository, or generates them', () => {
    for (const { path } of recordings) expect(path.startsWith('gen:') || existsSync(path), path).toBe(true);
  });

  it('refuses a part that does not exist', () => {
    expect(() => reproduce.resolve({ only: 'translatoin' })).toThrow(
      /unknown part translatoin.*Did you mean translation/,
    );
    expect(reproduce.resolve({})).toEqual({ only: '', seed: 42 });
    expect(parts.names).toContain('translation');
  });

  it.each(['', 'translation', 'io', 'far'])(
    'stops between two pieces of work when it is interrupted (only %j)',
    async (only) => {
      const control = new AbortController();
      setImmediate(() => control.abort());
      const outcome = await reproduce.execute({ only }, contextOf(control.signal));
      expect(outcome.interrupted).toBe(true);
      expect(outcome.claims.length).toBeLessThan(20);
    },
  );
});
