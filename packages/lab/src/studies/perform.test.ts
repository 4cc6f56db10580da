import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { perform } from './perform.ts';
import type { Study } from './study.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-perform-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function studyOf(input: string, during: () => void): Study {
  return {
    name: 'test',
    summary: 'a study of one file',
    resolve: () => ({}),
    inputs: () => [{ role: 'trace', path: input }],
    async execute() {
      during();
      return { stats: {}, tables: [], figures: [], claims: [], warnings: [], notModelled: [], interrupted: false };
    },
  };
}

describe('performing a study', () => {
  const options = () => ({ out: join(folder, 'run'), title: 'test', command: [], quiet: true });

  it('tells of a missing input before the work', async () => {
    let worked = false;
    const study = studyOf(join(folder, 'absent'), () => {
      worked = true;
    });
    await expect(perform(study, {}, options())).rejects.toThrow(/absent: no such file/);
    expect(worked).toBe(false);
  });

  it('records nothing when an input changed meanwhile', async () => {
    const input = join(folder, 'trace');
    writeFileSync(input, 'one');
    const study = studyOf(input, () => appendFileSync(input, 'two'));
    await expect(perform(study, {}, options())).rejects.toThrow(/trace: the file changed while it was being read/);
    expect(existsSync(join(folder, 'run'))).toBe(false);
  });
});
