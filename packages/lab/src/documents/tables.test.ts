import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cloneRoot } from '../../../../testing/components.ts';
import { referenceTables } from './tables.ts';

describe('the reference tables of docs/', () => {
  it.each([...referenceTables()])('%s is what the code generates (npm run docs)', (name, content) => {
    expect(readFileSync(join(cloneRoot, 'docs', name), 'utf8')).toBe(content);
  });
});
