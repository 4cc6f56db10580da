import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FarMemory } from '@strata/far-memory';
import { startAgent } from '@strata/far-memory/agent';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { hasProgram, strataCommand } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { runCommandLine } from '../command-line.ts';
import { targetsOf } from './bench/bench.ts';
import { freeBytes, shrinkFor } from './bench/scale.ts';

const folder = temporaryFolder('far-lab-test');
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const commandOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** A zombie counts as ended: nobody may be there to reap it. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function far(...words: readonly string[]) {
  let out = '';
  let err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  const code = await runCommandLine(['far', ...words]);
  vi.restoreAllMocks();
  return { code, out, err };
}

function log(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('strata far advise', () => {
  test('says that pages suit a sequence of small objects and objects suit scattered ones', async () => {
    const lines = (address: (at: number) => number) =>
      `addr,kind\n${Array.from({ length: 20_000 }, (_, at) => `0x${address(at).toString(16)},r`).join('\n')}\n`;
    const sequence = log(
      'sequence.csv',
      lines((at) => (at % 10_000) * 64),
    );
    const scattered = log(
      'scattered.csv',
      lines((at) => ((at * 7919) % 5000) * 4096),
    );
    const advice = async (path: string) => JSON.parse((await far('advise', path, '--local', '64KiB', '--json')).out);
    const pages = await advice(sequence);
    // E11: every object misses, every page once per turn.
    expect(pages.curve).toContainEqual(
      expect.objectContaining({ granularity: 'object', localBytes: 65_536, fetches: 20_000 }),
    );
    expect(pages.curve).toContainEqual(
      expect.objectContaining({ granularity: 'page', localBytes: 65_536, fetches: 314 }),
    );
    expect(pages.advice.fewestRoundTrips).toBe('page');
    expect(pages.advice.granularity).not.toBe('object');
    const objects = await advice(scattered);
    expect(objects.advice).toMatchObject({ granularity: 'object', fewestBytes: 'object' });
  });

  test('reads logs of objects, as CSV and as lines of JSON, alike', async () => {
    const csv = log('log.csv', 'id,size,rw\na,100,r\nb,200,w\na,100,r\n');
    const json = log('log.jsonl', '{"id":"a","size":100}\n{"id":"b","size":200,"rw":"w"}\n{"id":"a","size":100}\n');
    const first = JSON.parse((await far('advise', csv, '--json')).out);
    const second = JSON.parse((await far('advise', json, '--json')).out);
    expect(first).toMatchObject({
      accesses: 3,
      writes: 1,
      objectBytes: null,
      footprint: { objectBytes: 300, pageBytes: 4096 },
    });
    expect(second.curve).toEqual(first.curve);
  });

  test.each([
    ['a size of nothing', 'id,size\na,100\nb,0\n', /zero\.csv:3/],
    ['a broken word', 'id,size,rw\na,100,x\n', /zero\.csv:2.*expected an id/s],
  ])('refuses %s with file and line', async (_name, text, sentence) => {
    const { code, err } = await far('advise', log('zero.csv', text));
    expect(code).toBe(2);
    expect(err).toMatch(sentence);
  });
});

describe('strata far bench', () => {
  const missing = log('none', '');
  const hasRedis = hasProgram('redis-server');

  test('says what to install where Redis is missing, exit code 3', async () => {
    vi.stubEnv('STRATA_REDIS_SERVER', `${missing}-at-all`);
    const { code, err } = await far(
      'bench',
      '--against',
      'redis',
      '--workload',
      'hash',
      '--shrink',
      '64',
      '--requests',
      '8',
    );
    vi.unstubAllEnvs();
    expect(code).toBe(3);
    expect(err).toMatch(/redis-server is not installed.*apt-get install redis-server/s);
  }, 60_000);

  test('has the same keys in every document and row, and draws its figure', async () => {
    const figure = join(folder, 'bench.svg');
    const { code, out } = await far(
      ...['bench', '--against', 'map,lmdb', '--workload', 'web,taxi,hash,micro', '--shrink', '64', '--requests', '64'],
      ...['--figure', figure, '--json'],
    );
    expect(code).toBe(0);
    const document = JSON.parse(out);
    expect(Object.keys(document).sort()).toEqual(
      [
        ...['against', 'interrupted', 'node', 'requests', 'results', 'schemaVersion', 'shrink', 'targets'],
        'workloads',
      ].sort(),
    );
    const row = ['inFlight', 'localShare', 'measure', 'missRatio', 'system', 'unit', 'value', 'workload'];
    for (const result of document.results) expect(Object.keys(result).sort()).toEqual(row);
    for (const target of document.targets)
      expect(Object.keys(target).sort()).toEqual(['holds', 'measured', 'name', 'target']);
    const measured = document.results.map(({ workload, system }: Record<string, string>) => `${workload}: ${system}`);
    for (const system of ['map', 'far 50 %', 'far 25 %', 'lmdb']) expect(measured).toContain(`taxi: ${system}`);
    expect(readFileSync(figure, 'utf8')).toMatch(/^<svg[\s\S]*us per request/);
  }, 300_000);

  test('divides the data to leave half of the free memory, and no more than it must', () => {
    expect([64, 3, 2.9, 1, 0.2, 0.01].map((gibibytes) => shrinkFor(gibibytes * 2 ** 30))).toEqual([1, 1, 2, 4, 16, 64]);
    expect(freeBytes()).toBeGreaterThan(2 ** 20);
  });

  test.runIf(hasRedis)(
    'runs each competitor and finds the same in all',
    async () => {
      const { code, out } = await far(
        'bench',
        '--workload',
        'web,taxi,hash',
        '--shrink',
        '64',
        '--requests',
        '64',
        '--json',
      );
      expect(code).toBe(0);
      const { results, targets } = JSON.parse(out);
      for (const system of ['map', 'far 25 %', 'redis', 'redis objects', 'lmdb'])
        expect(results).toContainEqual(expect.objectContaining({ workload: 'web', system, unit: 'us' }));
      expect(targets).toHaveLength(4);
    },
    300_000,
  );

  test('leaves no process and no file behind at Ctrl-C', async () => {
    const leftBehind = () => readdirSync(tmpdir()).filter((name) => name.startsWith('strata-far-bench-'));
    const before = leftBehind();
    const child = spawn(process.execPath, [
      strataCommand,
      'far',
      'bench',
      '--against',
      'lmdb',
      '--workload',
      'hash',
      '--shrink',
      '4',
      '--requests',
      '1e9',
    ]);
    await new Promise<void>((resolve) =>
      child.stderr.on('data', (text) => String(text).includes('hash table') && resolve()),
    );
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(130);
    expect(leftBehind()).toEqual(before);
  }, 60_000);

  test('keeps the finished figures at Ctrl-C', async () => {
    const child = spawn(process.execPath, [
      ...[strataCommand, 'far', 'bench', '--against', 'map,lmdb', '--workload', 'hash'],
      ...['--shrink', '64', '--requests', '4e4', '--json'],
    ]);
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    // The third step begins when two are done. A second interrupt would end it at once.
    const watch = (text: unknown) => {
      if (!String(text).includes('3 of 3')) return;
      child.stderr.off('data', watch);
      child.stderr.resume();
      child.kill('SIGINT');
    };
    child.stderr.on('data', watch);
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(130);
    const { interrupted, results } = JSON.parse(out);
    expect([interrupted, results.map(({ system }: { system: string }) => system)]).toEqual([true, ['far', 'map']]);
  }, 120_000);

  test.runIf(hasRedis)(
    'leaves no Redis behind when it is killed outright',
    async () => {
      const child = spawn(process.execPath, [
        ...[strataCommand, 'far', 'bench', '--against', 'redis', '--workload', 'hash'],
        ...['--shrink', '64', '--requests', '1e5'],
      ]);
      await new Promise<void>((resolve) =>
        child.stderr.on('data', (text) => String(text).includes('hash table: redis') && resolve()),
      );
      const descendants = descendantsOf(child.pid!);
      expect(descendants.map(commandOf).join(' ')).toContain('redis-server');
      child.kill('SIGKILL');
      await vi.waitFor(() => expect(descendants.filter(isAlive)).toEqual([]), { timeout: 30_000 });
    },
    120_000,
  );

  test('a target holds or not by the ratio of the run', () => {
    const row = (system: string, value: number) => ({
      workload: 'web',
      system,
      measure: 'request',
      unit: 'us',
      value,
      localShare: null,
      missRatio: null,
      inFlight: 1,
    });
    expect(targetsOf([row('map', 30), row('far 25 %', 20)])).toEqual([
      { name: 'web, request: map / far 25 %', measured: 1.5, target: '>= 1.5', holds: true },
    ]);
    expect(targetsOf([row('map', 29), row('far 25 %', 20)])[0]).toMatchObject({ holds: false });
  });
});

describe('strata far top', () => {
  test('shows agents and programs, and says which endpoint is down', async () => {
    const agent = await startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 26, metrics: '127.0.0.1:0' });
    const memory = await FarMemory.open({ localBytes: 2 ** 24, countHits: true });
    const handle = memory.alloc(64);
    await memory.mut(handle);
    for (let at = 0; at < 9; at++) memory.tryGet(handle);
    const program = createServer((_request, response) => response.end(JSON.stringify(memory.stats())));
    await new Promise<void>((resolve) => program.listen(0, '127.0.0.1', resolve));
    const address = program.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { code, out } = await far('top', agent.metricsAddress!, `127.0.0.1:${port}`, '--once', '--json');
    expect(code).toBe(0);
    const [first, second] = JSON.parse(out).agents;
    expect(first).toMatchObject({ state: 'up', objects: 0, memoryLimitBytes: 2 ** 26 });
    expect(second).toMatchObject({ state: 'up', hits: memory.stats().hits, segments: 16 });
    program.close();
    program.closeAllConnections();
    await memory.close();
    const metrics = agent.metricsAddress!;
    await agent.close();
    const down = await far('top', metrics, '--once');
    expect(down.code).toBe(3);
    expect(down.out).toMatch(/down/);
  });
});
