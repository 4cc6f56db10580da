import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { StrataError } from '@strata/model/machine';
import { createVectorParser } from '@strata/traces/llfree';
import { describe, expect, test } from 'vitest';
import { strataCommand } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { replayVectors } from './llfree-replay.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/elastic/${name}.csv.gz`, import.meta.url));
const text = (name: string) => gunzipSync(readFileSync(fixture(name))).toString();
const folder = temporaryFolder('llfree');

function written(content: string): string {
  const path = join(folder, 'vectors.csv');
  writeFileSync(path, content);
  return path;
}

describe('recordings of the originals', () => {
  test.each([
    ['llfree-ae-1core', 'ae', '1', 1993],
    ['llfree-ae-reclaim', 'ae', '2', 3008],
    ['llfree-head-movable', 'head', '2', 1999],
  ] as const)('%s: every operation and the final state are equal', async (name, version, cores, operations) => {
    const options = { version, frames: '65536', cores, quiet: true };
    expect(await replayVectors(fixture(name), options)).toEqual({ operations, mismatches: 0, firstMismatch: null });
    expect(await replayVectors(fixture(name), {})).toMatchObject({ operations, mismatches: 0 });
  });

  test('the other version allocates otherwise, and is told apart', async () => {
    const result = await replayVectors(fixture('llfree-head-movable'), { version: 'ae' });
    expect(result).toMatchObject({
      operations: 1999,
      firstMismatch: { line: 3, expected: 'frame 28672', found: 'frame 0' },
    });
  });
});

describe('what is not as recorded is found', () => {
  const lines = text('llfree-ae-reclaim').split('\n');
  const changed = (from: RegExp | string, to: string) => written(lines.join('\n').replace(from, to));

  test.each([
    ['a frame', 'get,0,0,0,,0,4096,0', 'get,0,0,0,,0,4097,0', 'get'],
    ['an evicted mark', 'reclaim_hard,host,9,,,0,8192,1', 'reclaim_hard,host,9,,,0,8192,0', 'reclaim_hard'],
    ['a failure', 'reclaim_soft,host,9,,,1,0,0', 'reclaim_soft,host,9,,,0,512,0', 'reclaim_soft'],
    ['the free frames', 'free_frames=53840', 'free_frames=53841', 'free frames at the end'],
    ['a huge frame', '512/0/0 435/0/0', '512/0/0 434/0/0', 'huge frame 1'],
    ['a state of the host', /hostR(.*):0/, 'hostR$1:1', 'host state of huge frame 0'],
  ])('%s', async (_title, from, to, what) => {
    expect(await replayVectors(changed(from, to), {})).toMatchObject({ mismatches: 1, firstMismatch: { what } });
  });
});

describe('bad recordings get a sentence', () => {
  const head = '# frames=4096 cores=1\nop,core,order,movable,arg_frame,err,frame,reclaimed\n';
  test.each([
    ['', /empty/],
    ['a,b\n', /line 1: the first line is no header/],
    [head, /no operation/],
    [`${head}take,0,0,0,,0,0,0\n`, /line 3: no such operation/],
    [`${head}get,0,0\n`, /line 3: .*number of columns/],
    [`${head}get,x,0,0,,0,0,0\n`, /line 3: the column core is not a number/],
    [`${head}get,0,0,0,,0,-1,0\n`, /line 3: the column frame is not a number/],
    [`${head}get,5,0,0,,0,0,0\n`, /no such core/],
    [head.replace(/^#.*\n/, ''), /does not say the number of frames/],
    [`${head}get,0,0,0,,0,0,0\n# children: 512/0\n`, /line 4: the state of a huge frame/],
    [`${head.replace('reclaimed', 'colour')}`, /last column is unknown/],
    [`${head.replace('reclaimed', 'class')}reclaim_soft,host,9,,,0,0,0\n`, /a host cannot reclaim/],
  ])('%#', async (content, sentence) => {
    await expect(replayVectors(written(content), {})).rejects.toThrow(sentence);
  });

  test('cut off anywhere, a recording parses up to there or is refused with its line', () => {
    const whole = text('llfree-ae-reclaim').slice(0, 1500);
    for (let length = 0; length < whole.length; length++) {
      const parser = createVectorParser('cut.csv');
      try {
        for (const line of whole.slice(0, length).split('\n')) parser.line(line);
        parser.end();
      } catch (error) {
        expect(error).toBeInstanceOf(StrataError);
        expect((error as Error).message).toMatch(/^cut\.csv, line \d+: /);
      }
    }
  });
});

test('the command prints the contract, exits 1 on a mismatch and 2 on bad usage', () => {
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [strataCommand, 'elastic', 'llfree', 'replay', ...args],
      { encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  };
  const good = run(fixture('llfree-ae-1core'), '--version', 'ae', '--frames', '65536', '--cores', '1', '--json');
  expect(good).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(good.stdout)).toMatchObject({ operations: 1993, mismatches: 0, firstMismatch: null });
  expect(run(fixture('llfree-ae-1core'), '--version', 'head', '--quiet')).toMatchObject({ status: 1, stdout: '' });
  expect(run('no-such-file.csv')).toMatchObject({ status: 2, stdout: '' });
  expect(run(fixture('llfree-ae-1core'), '--version', 'old').status).toBe(2);
}, 60_000);
