import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneRoot, strataCommand } from '../../../testing/components.ts';
import { plainWords, strataIn } from '../../../testing/in-process.ts';
import { createFullProgram } from './command-line.ts';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'strata-examples-'));
  symlinkSync(join(cloneRoot, 'packages'), join(cwd, 'packages'));
  symlinkSync(strataCommand, join(cwd, 'strata'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

/** In this process, or in a shell where the example needs one. */
async function run(example: string): Promise<{ status: number | null; stderr: string }> {
  const [program, ...args] = plainWords(example) ?? [];
  if (program === 'strata') return strataIn(cwd, args);
  const env = { ...process.env, PATH: `${cwd}:${process.env.PATH}` };
  return spawnSync('bash', ['-c', example], { cwd, encoding: 'utf8', env });
}

const program = await createFullProgram();
// The main job takes its minute, and has a test of its own parts; what watches agents is tested beside some (far-lab.test.ts).
const commands = leaves(program).filter(
  ([noun, verb]) => noun !== 'reproduce' && noun !== 'claims' && !(noun === 'far' && verb === 'top'),
);

describe('the help of every command ends with two examples that run', () => {
  it.each(commands.map((path) => ({ command: path.join(' '), path })))('$command', async ({ path }) => {
    const help = helpOf(program, path);
    const examples = help
      .slice(help.indexOf('Examples:'))
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
      .filter(Boolean);
    expect(examples.length).toBeGreaterThanOrEqual(2);
    for (const example of examples) {
      const { status, stderr } = await run(example);
      expect({ example, status, stderr: status === 0 ? '' : stderr }).toEqual({ example, status: 0, stderr: '' });
    }
  });
});

function helpOf(program: Command, path: readonly string[]): string {
  const command = path.reduce((noun, name) => noun.commands.find((verb) => verb.name() === name)!, program);
  let help = '';
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  return help;
}

function leaves(command: Command, path: string[] = []): string[][] {
  if (command.commands.length === 0) return [path];
  return command.commands.flatMap((verb) => leaves(verb, [...path, verb.name()]));
}
