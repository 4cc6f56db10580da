import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { strataCommand } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { createPageSet } from './page-set.ts';

const folder = temporaryFolder('trace');
spawnSync('mkfifo', [join(folder, 'pipe')]);

function strata(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [strataCommand, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
    maxBuffer: 2 ** 26,
  });
}

function json(...args: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = strata(...args, '--json');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Unnecessary details of failure aside: exit code 2, one sentence, nothing on stdout, no stack, nothing left behind. */
function refused(...args: string[]): string {
  const before = readdirSync(folder);
  const { status, stdout, stderr } = strata(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(readdirSync(folder)).toEqual(before);
  return stderr;
}

const workload = 'gen:chase,size=1MiB,accesses=3e4,instructions=true';

describe('strata trace', () => {
  it('says what a trace holds', () => {
    expect(json('trace', 'info', workload)).toMatchObject({
      schemaVersion: 1,
      format: 'generated',
      accesses: 30_000,
      counts: { loads: 7500, stores: 0, fetches: 22_500, prefetches: 0 },
      threads: [{ id: 0, accesses: 30_000 }],
      // 2^20 bytes of data, each touched by one of 3,750 steps over 16,384 nodes, and a page of code.
      footprint: { pages4k: 257, isExact: true, lowest: '0x400000' },
      columns: { pc: true, physical: false },
    });
  });

  it('reads from a pipe what can be read from front to end, and says what cannot', () => {
    const piped = (file: string, ...args: string[]) =>
      spawnSync(process.execPath, [strataCommand, ...args], {
        cwd: folder,
        input: readFileSync(join(folder, file)),
        encoding: 'utf8',
        timeout: 60_000,
      });
    const long = 'gen:chase,size=1MiB,accesses=2e5';
    for (const file of ['p.din', 'p.trace.gz', 'p.strata', 'p.trace.zip']) strata('trace', 'convert', long, file);
    for (const file of ['p.din', 'p.trace.gz']) {
      const { stdout, stderr } = piped(file, 'trace', 'info', '-', '--json');
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toMatchObject({ accesses: 200_000 });
    }
    for (const [file, reason] of [
      ['p.strata', /own format cannot be read from a pipe.*Save it/],
      ['p.trace.zip', /zip archive cannot be read from a pipe/],
    ] as const)
      expect(piped(file, 'trace', 'info', '-')).toMatchObject({ status: 2, stderr: expect.stringMatching(reason) });
    expect(piped('p.din', 'translate', 'run', '--trace', '-', '--limit', '1000').status).toBe(0);
    const kept = piped('p.din', 'translate', 'run', '--trace', '-', '--out', 'kept');
    expect(kept).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/made from a pipe/) });
    expect(readdirSync(folder)).not.toContain('kept');
  });

  it('writes nowhere that a folder is', () => {
    expect(refused('trace', 'convert', workload, '.')).toMatch(/\.: cannot write: it is a folder/);
  });

  it.skipIf(!existsSync('/dev/full'))('says when standard output is full, without a stack', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [strataCommand, 'trace', 'formats', '--json'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
      timeout: 30_000,
    });
    closeSync(full);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: 'strata: standard output: cannot write: no space left on the device.\n',
    });
  });

  it('samples what it shows and converts, and says so', () => {
    const of = (...args: string[]) => json('trace', 'head', workload, ...args).accesses as { number: number }[];
    const all = of('120');
    expect(of('7', '--sample', '3/50')).toEqual(all.filter(({ number }) => number % 50 < 3).slice(0, 7));
    const { stderr, stdout } = strata('trace', 'convert', workload, 's.strata', '--sample', '100/1000', '--json');
    expect(stderr).toMatch(/warning: sampled: 100 of every 1000 accesses/);
    expect(JSON.parse(stdout)).toMatchObject({ accesses: 3000, dropped: { 'left out between samples': 27_000 } });
    expect(strata('trace', 'info', 's.strata').stderr).toMatch(/sampled: 100 of every 1000/);
    for (const [text, reason] of [
      ['5', /not a sample/],
      ['0/5', /does not fit/],
      ['6/5', /does not fit/],
      ['a/5', /not a count/],
    ] as const)
      expect(refused('trace', 'info', workload, '--sample', text)).toMatch(reason);
  });

  it('converts to its own format and back without losing an access, and says where it came from', () => {
    expect(json('trace', 'convert', workload, 'a.strata')).toMatchObject({ format: 'native', accesses: 30_000 });
    writeFileSync(join(folder, 'as.csv'), strata('trace', 'head', workload, '30000', '--csv').stdout);
    expect(strata('trace', 'head', 'a.strata', '30000', '--csv').stdout).toBe(
      readFileSync(join(folder, 'as.csv'), 'utf8'),
    );
    const copy = json('trace', 'convert', 'a.strata', 'b.strata', '--skip', '100', '--limit', '1e3');
    expect(copy).toMatchObject({ accesses: 1000, sourceSha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const [third] = json('trace', 'head', 'b.strata', '1', '--skip', '2').accesses as unknown[];
    const [same] = json('trace', 'head', workload, '1', '--skip', '102').accesses as unknown[];
    expect(third).toEqual({ ...(same as object), number: 2 });
  });

  it.each(['drmemtrace', 'champsim', 'din', 'csv'])('converts to %s, which it reads back', (format) => {
    const output = `back.${format}`;
    json('trace', 'generate', 'gups', output, '--to', format, '--set', 'accesses=4000', 'size=1MiB');
    const { counts } = json('trace', 'info', output, '--format', format === 'champsim' ? 'champsim' : format) as {
      counts: { loads: number; stores: number };
    };
    expect([counts.loads, counts.stores]).toEqual([2000, 2000]);
  });

  it('writes Parquet that other tools read, addresses above 2^63 included', async () => {
    writeFileSync(join(folder, 'high.din'), '0 ffffffff81000000\n1 7fff0000\n2 400000\n');
    json('trace', 'convert', 'high.din', 'high.parquet');
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, 'high.parquet')) });
    expect(rows.map(({ address, kind }) => [address, kind])).toEqual([
      [0xffff_ffff_8100_0000n, 'load'],
      [0x7fff_0000n, 'store'],
      [0x40_0000n, 'fetch'],
    ]);
    json('trace', 'generate', 'zipf', 'zipf.parquet', '--set', 'accesses=300000');
    expect(await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, 'zipf.parquet')) })).toHaveLength(
      300_000,
    );
  });

  it('writes the same bytes each time', () => {
    json('trace', 'generate', 'bfs', 'one.strata', '--set', 'accesses=1e5', 'seed=3');
    json('trace', 'generate', 'bfs', 'two.strata', '--set', 'accesses=1e5', 'seed=3');
    expect(readFileSync(join(folder, 'one.strata')).equals(readFileSync(join(folder, 'two.strata')))).toBe(true);
  });

  it('finds the place where a trace is broken', () => {
    json('trace', 'generate', 'gups', 'whole.strata', '--set', 'accesses=3e5');
    expect(json('trace', 'validate', 'whole.strata')).toMatchObject({ valid: true, accesses: 300_000 });
    const bytes = readFileSync(join(folder, 'whole.strata'));
    const second = 24 + 32 + bytes.readUInt32LE(24 + 8);
    bytes[second + 1000]! ^= 8;
    writeFileSync(join(folder, 'broken.strata'), bytes);
    expect(refused('trace', 'validate', 'broken.strata')).toContain(`chunk 1 at byte ${second}`);
    expect(refused('trace', 'convert', 'broken.strata', 'c.csv')).toContain('chunk 1');
    writeFileSync(join(folder, 'cut.strata'), readFileSync(join(folder, 'whole.strata')).subarray(0, second + 1000));
    expect(refused('trace', 'validate', 'cut.strata')).toContain('the trace ends in chunk 1');
    const { status, stderr } = strata('trace', 'validate', 'cut.strata', '--allow-truncated');
    expect(status).toBe(0);
    expect(stderr).toContain('truncated');
  });

  it.each([
    [['info', 'nothing.trace'], /nothing\.trace/],
    [['info', workload, '--limit', 'many'], /--limit: not a count/],
    [['generate', 'gusp', 'x.strata'], /unknown generator gusp.*gups/],
    [['generate', 'gups', 'x.strata', '--set', 'sise=1'], /sise.*size/],
    [['convert', workload, 'x.strata', '--to', 'elf'], /elf/],
    [['convert', workload, '/proc/none/x.strata'], /\/proc\/none\/x\.strata/],
    [['convert', workload, '-'], /standard output.*Name a file/],
    [['convert', workload, 'pipe', '--to', 'csv'], /pipe: cannot write: it is a device or a pipe/],
    [['head', workload, '--parquet', 'pipe'], /pipe: cannot write: it is a device or a pipe/],
    [['info'], /missing required argument/],
  ])('refuses %j with a sentence', (args, message) => {
    expect(refused('trace', ...args)).toMatch(message);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const before = readdirSync(folder);
    const child = spawn(
      process.execPath,
      [strataCommand, 'trace', 'generate', 'gups', 'long.strata', '--set', 'accesses=1e11'],
      {
        cwd: folder,
        stdio: 'ignore',
      },
    );
    while (readdirSync(folder).length === before.length) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(130);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('lists formats, generators and parameters', () => {
    const { formats } = json('trace', 'formats') as { formats: { name: string; use: string }[] };
    expect(formats).toContainEqual(expect.objectContaining({ name: 'strata', use: 'read' }));
    expect(formats).toContainEqual(expect.objectContaining({ name: 'drmemtrace', use: 'write' }));
    expect((json('trace', 'generators').generators as unknown[]).length).toBe(8);
    expect(json('trace', 'generators', 'zipf').parameters).toContainEqual(
      expect.objectContaining({ parameter: 'exponent' }),
    );
  });

  it.each(['info', 'validate', 'head', 'convert', 'generate', 'generators', 'formats'])(
    'gives examples of %s that run',
    (verb) => {
      const help = strata('trace', verb, '--help').stdout;
      const examples = [...help.matchAll(/^ {2}strata (.*)$/gm)].map((match) => match[1]!.split(' '));
      expect(examples).toHaveLength(2);
      for (const args of examples) expect(strata(...args)).toMatchObject({ status: 0, stderr: '' });
    },
  );

  it('takes memory that does not depend on the length of a trace', () => {
    const peak = (accesses: string) => {
      const script = `process.on('exit', () => console.error(process.resourceUsage().maxRSS));
        process.argv.splice(2, 0); await import(${JSON.stringify(strataCommand)});`;
      const output = join(folder, `${accesses}.strata`);
      const args = ['trace', 'generate', 'sequential', output, '--set', `accesses=${accesses}`, '--quiet'];
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', script, 'strata', ...args], {
        encoding: 'utf8',
      });
      return { kib: Number(run.stderr.trim()), bytes: statSync(output).size };
    };
    const [short, long] = [peak('1e6'), peak('2e7')];
    expect(long.bytes).toBeGreaterThan(2 * short.bytes);
    expect(long.kib).toBeLessThan(short.kib + 64 * 1024);
  });
});

describe('the set of pages', () => {
  it('counts distinct pages of distinct processes', () => {
    const page = fc.oneof(fc.nat({ max: 40 }), fc.integer({ min: 0, max: 2 ** 52 - 1 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(page, fc.nat({ max: 3 })), { maxLength: 200 }), (pairs) => {
        const set = createPageSet();
        for (const [number, process] of pairs) set.add(number, process);
        expect(set.size).toBe(new Set(pairs.map(String)).size);
        expect(set.isExact).toBe(true);
      }),
    );
  });

  it('grows, and says when it has more than it can count', () => {
    const set = createPageSet(20_000);
    for (let page = 0; page < 20_000; page++) set.add(page * 512, 0);
    expect([set.size, set.isExact]).toEqual([20_000, true]);
    set.add(512, 0);
    expect(set.isExact).toBe(true);
    set.add(1, 0);
    expect([set.size, set.isExact]).toEqual([20_000, false]);
  });
});
