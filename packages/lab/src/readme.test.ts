import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cloneRoot, strataCommand } from '../../../testing/components.ts';

const readme = readFileSync(join(cloneRoot, 'README.md'), 'utf8');

/** Fenced blocks of that language, in order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text]) => text!);
}

/** `$ npx strata ...` with continuation lines, and the lines that the README shows below it; `...` stands for lines left out. */
function sessions(): { command: string; shown: string[] }[] {
  return blocks('').flatMap((block) =>
    [...block.matchAll(/^\$ npx strata ((?:.*\\\n)*.*)\n([\s\S]*?)(?=^\$ |(?![\s\S]))/gm)].map(
      ([, command, output]) => ({
        command: command!.replaceAll('\\\n', ' '),
        shown: output!.split('\n').filter((line) => line.trim() !== '' && line !== '...'),
      }),
    ),
  );
}

describe('the README', () => {
  it('shows at least two commands', () => {
    expect(sessions().length).toBeGreaterThanOrEqual(2);
  });

  it.each(sessions())('shows what `strata $command` prints', ({ command, shown }) => {
    const { stdout, stderr, status } = spawnSync('bash', ['-c', `node "${strataCommand}" ${command}`], {
      cwd: cloneRoot,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    const printed = stdout.split('\n').map((line) => line.trimEnd());
    for (const line of shown) expect(printed).toContain(line.trimEnd());
  });

  it('has library examples that run', () => {
    const examples = blocks('ts').filter((block) => block.includes("from '@strata/"));
    const standalone = examples.filter((block) => !block.includes('defineDesign'));
    expect(standalone.length).toBeGreaterThanOrEqual(1);
    for (const example of standalone) {
      // Inside the package, so that its dependencies resolve as a user's would.
      const file = join(cloneRoot, 'packages', 'lab', `.readme-example-${process.pid}.mjs`);
      writeFileSync(file, example);
      try {
        const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
        expect(status, stderr).toBe(0);
        expect(stdout.trim()).not.toBe('');
      } finally {
        rmSync(file);
      }
    }
  });

  it('has a design that runs as a plugin', () => {
    const design = blocks('ts').find((block) => block.includes('defineDesign('))!;
    const command = /^npx strata .*--plugin.*$/m.exec(readme)![0];
    const folder = mkdtempSync(join(tmpdir(), 'strata-readme-'));
    try {
      writeFileSync(join(folder, 'plain.ts'), design);
      const words = command.replace('npx strata', `node "${strataCommand}"`);
      const { status, stdout, stderr } = spawnSync('bash', ['-c', words], { cwd: folder, encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/plain/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('links to files that exist', () => {
    for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect(() => readFileSync(join(cloneRoot, target!)), target).not.toThrow();
    }
  });
});
