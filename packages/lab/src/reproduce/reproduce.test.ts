import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { recordings } from './recordings.ts';
import { parts, reproduce } from './reproduce.ts';

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
});
