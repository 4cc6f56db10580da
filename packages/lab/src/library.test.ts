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

const examplesOf = (text: string) => [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, example]) => example!);

/** What an example prints that stands in a package of its own, where names resolve as a user's do. */
function printed(example: string): string {
  const program = join(cloneRoot, `packages/lab/library-example-${process.pid}.mjs`);
  writeFileSync(program, example);
  try {
    const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    expect(stderr).toBe('');
    return stdout.trim();
  } finally {
    rmSync(program);
  }
}

it('shows a study that runs as it stands', () => {
  expect(Number(printed(examplesOf(page)[0]!))).toBeGreaterThan(1);
});

it('shows an allocator whose examples print what stands behind them', () => {
  const room = readFileSync(join(cloneRoot, 'packages/model/src/llfree/README.md'), 'utf8');
  for (const example of [examplesOf(page)[1]!, examplesOf(room)[0]!])
    expect(printed(example)).toBe(/console\.log\(.*\); \/\/ (\d+)/.exec(example)![1]);
});
