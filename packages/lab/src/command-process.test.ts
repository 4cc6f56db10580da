import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { strataCommand } from '../../../testing/components.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';

/** What only a real process shows: exit codes, pipes, signals, start-up. */
const folder = temporaryFolder('process');

function strata(...args: string[]) {
  return spawnSync(process.execPath, [strataCommand, ...args], { cwd: folder, encoding: 'utf8' });
}

/** Starts a command that will be interrupted, and waits until it says that work is under way. */
async function underWay(args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [strataCommand, ...args, '--progress'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise((resolve) => child.stderr.once('data', resolve));
  return child;
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.on('exit', resolve));
const temporaries = () =>
  existsSync(join(folder, 'runs')) ? readdirSync(join(folder, 'runs')).filter((name) => name.endsWith('.tmp')) : [];

describe('the process', () => {
  it('ends with 0 and a document on stdout', () => {
    const { status, stdout, stderr } = strata(
      'translate',
      'run',
      '--trace',
      'gen:gups,size=1MiB,accesses=1e3',
      '--json',
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 1, mode: 'correct' });
  });

  it('ends with 2 and a sentence on stderr when the input is wrong', () => {
    const { status, stdout, stderr } = strata('translate', 'run', '--trace', 'nowhere.trace');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^strata: .*nowhere\.trace/);
  });

  it('ends with 0 when the reader of its output has enough', () => {
    const pipe = `'${process.execPath}' '${strataCommand}' trace head gen:gups,size=1GiB,accesses=1e6 100000 --csv | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', pipe], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n').at(-1)).toBe('0');
  });
});

describe('Ctrl-C', () => {
  const seeds = Array.from({ length: 50 }, (_, seed) => seed).join(',');
  it.each([
    ['a run', ['translate', 'run', '--trace', 'gen:gups,size=1GiB,accesses=1e9', '--out', 'runs/stopped']],
    [
      'a sweep',
      [
        'sweep',
        '--trace',
        'gen:gups,size=64MiB,accesses=5e5',
        '--axis',
        `seed=${seeds}`,
        '--workers',
        '2',
        '--out',
        'runs/stopped-sweep',
      ],
    ],
  ])('ends %s with 130, marks what is complete, leaves nothing temporary and no process', async (_, args) => {
    const child = await underWay(args);
    child.kill('SIGINT');
    expect(await ended(child)).toBe(130);
    const out = args[args.indexOf('--out') + 1]!;
    expect(JSON.parse(readFileSync(join(folder, out, 'manifest.json'), 'utf8'))).toMatchObject({
      interrupted: true,
      exitStatus: 130,
    });
    expect(temporaries()).toEqual([]);
    rmSync(join(folder, out), { recursive: true });
  });

  it('pressed again ends at once, with 130 and nothing written', async () => {
    const out = 'runs/stopped-twice';
    const child = await underWay(['translate', 'run', '--trace', 'gen:gups,size=1GiB,accesses=1e9', '--out', out]);
    let said = '';
    child.stderr?.on('data', (text) => {
      said += String(text);
      // The answer to the first; writing what is complete takes longer than this.
      if (said.includes('again: end at once')) child.kill('SIGINT');
    });
    child.kill('SIGINT');
    expect(await ended(child)).toBe(130);
    expect(existsSync(join(folder, out))).toBe(false);
    expect(temporaries()).toEqual([]);
  });
});

describe('start-up', () => {
  /** Processor milliseconds of a program, the least of five: the clock of a busy machine says little. */
  function processorMilliseconds(...args: string[]): number {
    const tell = 'data:text/javascript,process.on("exit",()=>process.stderr.write(JSON.stringify(process.cpuUsage())))';
    const runs = [1, 2, 3, 4, 5].map(() => {
      const { stderr } = spawnSync(process.execPath, ['--import', tell, ...args], { encoding: 'utf8' });
      const { user, system } = JSON.parse(stderr);
      return (user + system) / 1000;
    });
    return Math.min(...runs);
  }

  it('of --help costs no more than two empty Node starts', () => {
    const empty = processorMilliseconds('-e', '0');
    expect(processorMilliseconds(strataCommand, '--help') / empty).toBeLessThan(2);
  });
});

describe('shells', () => {
  it('complete nouns, verbs, options and choices in bash', () => {
    const script = strata('completion', 'bash').stdout;
    const complete = (...words: string[]) =>
      spawnSync(
        'bash',
        [
          '-c',
          `${script}\nCOMP_WORDS=(strata ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _strata; echo "\${COMPREPLY[@]}"`,
        ],
        { encoding: 'utf8' },
      ).stdout.trim();
    expect(complete('trans')).toBe('translate');
    expect(complete('translate', 'ex')).toBe('explain');
    expect(complete('translate', 'run', '--set')).toBe('--setup --set');
    expect(complete('translate', 'run', '--setup', 'n')).toBe('native nested');
    expect(complete('translate', 'run', '--designs', 'pv')).toBe('pvdmt');
    expect(complete('translate', 'run', '--designs', 'radix,ec')).toBe('radix,ecpt');
    expect(complete('nest', 'cost', '--profile', 'amd-svm-')).toBe('amd-svm-vls-vgif');
    expect(complete('elastic', 'resize', '--technique', 'hy')).toBe('hyperalloc');
    expect(strata('completion', 'fish').stdout).toMatch(/-l profile -r -a '[^']*\bpvm\b/);
  });

  it('show the manual', () => {
    expect(strata('man').stdout).toMatch(/^\.TH STRATA 1/);
  });
});
