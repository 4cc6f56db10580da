import { afterEach, expect, test, vi } from 'vitest';
import { runCommandLine } from '../command-line.ts';

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function far(line: string) {
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
  const code = await runCommandLine(['far', 'model', ...line.split(' ')]);
  vi.restoreAllMocks();
  return { code, out, err };
}

const e9 = '--objects 65536 --bytes 64 --local 1MiB --accesses 1000000 --pattern uniform --seed 12345';

test.each([
  ['object', { misses: 752_379, fetches: 752_379, bytesIn: 48_152_256, bytesOut: 0, writeBacks: 0 }],
  ['page', { misses: 750_231, fetches: 750_231, bytesIn: 3_072_946_176, bytesOut: 0, writeBacks: 0 }],
])('strata far model keeps its contract: worked example E9, by %s', async (granularity, expected) => {
  const { code, out } = await far(`${e9} --granularity ${granularity} --json`);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ schemaVersion: 1, ...expected });
});

test.each([
  ['--granularity huge', /unknown granularity/],
  ['--pattern zipf:x', /unknown pattern.*zipf:0.85/s],
  ['--seed 0', /not a seed/],
  ['--local 10', /local memory is out of range/],
])('refuses %s in words', async (option, sentence) => {
  const { code, err } = await far(`--objects 10 --bytes 64 --local 1MiB --accesses 10 ${option}`);
  expect(code).toBe(2);
  expect(err).toMatch(sentence);
});
