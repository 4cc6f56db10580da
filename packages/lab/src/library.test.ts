import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cloneRoot } from '../../../testing/components.ts';

const page = readFileSync(join(cloneRoot, 'docs/library.md'), 'utf8');
const rows = page.split('\n').flatMap((line) => {
  const cells = line.split('|').map((cell) => cell.trim());
  return cells.length === 5 && cells[1]!.includes('`') ? [{ calls: cells[2]!, packages: cells[3]! }] : [];
});
const words = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);

it('names only calls that a package exports', async () => {
  expect(rows.length).toBeGreaterThan(10);
  for (const { calls, packages } of rows) {
    const modules = await Promise.all(words(packages).map((name): Promise<object> => import(name)));
    // `gen:NAME,...` and arguments are no names.
    const names = words(calls).flatMap((word) =>
      /^\w+/.test(word) && !word.includes(':') ? [/^\w+/.exec(word)![0]] : [],
    );
    expect(names.length).toBeGreaterThan(0);
    for (const name of names)
      expect(
        modules.some((one) => name in one),
        `${name} of ${packages}`,
      ).toBe(true);
  }
});

it('shows a study that runs as it stands', () => {
  const program = join(cloneRoot, 'packages/lab/library-example.mjs');
  writeFileSync(program, /```ts\n([\s\S]*?)```/.exec(page)![1]!);
  try {
    const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    expect(Number(stdout), stderr).toBeGreaterThan(1);
  } finally {
    rmSync(program);
  }
});
