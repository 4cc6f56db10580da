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

const mega = '--accesses 1000000 --seed 12345';
const e9 = `--objects 65536 --bytes 64 --local 1MiB ${mega} --pattern uniform`;
const e11 = `--objects 65536 --bytes 64 --local 1MiB ${mega} --pattern sequential`;
const zipf = `--objects 65536 --bytes 64 --local 1MiB ${mega} --pattern zipf:0.85`;
const half = `--objects 65536 --bytes 512 --local 8MiB ${mega} --writes`;
const paged = '--objects 16384 --bytes 4096 --local 16MiB --accesses 500000 --writes';
const large = '--objects 8192 --bytes 8192 --local 16MiB --accesses 300000';

const contract = async (line: string) => {
  const { code, out } = await far(`${line} --json`);
  expect(code).toBe(0);
  const { misses, fetches, bytesIn, bytesOut, writeBacks, schemaVersion } = JSON.parse(out);
  expect(schemaVersion).toBe(1);
  return { misses, fetches, bytesIn, bytesOut, writeBacks };
};

// Every row of the reference results (specification A3.3). E11 counts fetches, and bytes alike either way.
test.each([
  ['E9', e9, 64, [752_379, 0], [750_231, 0]],
  ['E9 with writes', `${e9} --writes`, 64, [752_268, 419_629], [750_252, 427_867]],
  ['E11', e11, 64, [1_000_000, 0], [15_625, 0]],
  ['Zipf, scattered', `${zipf} --scattered`, 64, [317_303, 0], [602_474, 0]],
  ['Zipf, together', zipf, 64, [317_303, 0], [312_678, 0]],
  ['8 KiB', large, 8192, [225_510, 0], [451_020, 0]],
])('strata far model keeps its contract: %s', async (_name, line, size, [misses, written], [pages, pagesWritten]) => {
  expect(await contract(`${line} --granularity object`)).toEqual({
    ...{ misses, fetches: misses, bytesIn: misses! * size },
    ...{ bytesOut: written! * size, writeBacks: written },
  });
  expect(await contract(`${line} --granularity page`)).toEqual({
    ...{ misses: pages, fetches: pages, bytesIn: pages! * 4096 },
    ...{ bytesOut: pagesWritten! * 4096, writeBacks: pagesWritten },
  });
});

test('and the rows whose write-backs are not published', async () => {
  expect((await contract(`${half} --granularity object`)).misses).toBe(752_268);
  expect((await contract(`${half} --granularity page`)).misses).toBe(749_895);
  const object = await contract(`${paged} --granularity object`);
  expect(object.misses).toBe(375_905);
  expect(await contract(`${paged} --granularity page`)).toEqual(object);
});

test('hybrid granularity fetches few bytes where objects are scattered and few times where they follow one another', async () => {
  const scattered = await contract(`${zipf} --scattered --granularity hybrid`);
  expect(scattered.bytesIn).toBeLessThan(602_474 * 4096 * 0.2);
  const sequence = await contract(`${e11} --granularity hybrid`);
  expect(sequence).toEqual(await contract(`${e11} --granularity page`));
});

test('shows bytes, round trips and time apart, the time by constants that can be given', async () => {
  const text = (await far(`${e9} --granularity page`)).out;
  expect(text).toMatch(/2\.86 GiB in and 0 B out, 750 k round trips, .* of modelled time/);
  const costs =
    '--cost hitNs=0,pageFaultNs=1000,reclaimNs=500,synchronousReclaimShare=0.5,roundTripNs=750 --bandwidth 1e9';
  const document = JSON.parse((await far(`${e9} --granularity page ${costs} --json`)).out);
  expect(document.timeSeconds).toBeCloseTo(750_231 * 2e-6 + 3_072_946_176 / 1e9, 9);
  expect(document.costSources).toMatchObject({
    pageFaultNs: 'given',
    objectMissNs: expect.stringMatching(/^measured/),
  });
});

test.each([
  ['--granularity huge', /unknown granularity/],
  ['--pattern zipf:x', /unknown pattern.*zipf:0.85/s],
  ['--seed 0', /not a seed/],
  ['--scattered', /only Zipf has popular objects/],
  ['--cost faultNs=3', /no constant of the time model.*pageFaultNs/s],
  ['--cost inFlight=0', /from 1/],
  ['--local 10', /local memory is out of range/],
])('refuses %s in words', async (option, sentence) => {
  const { code, err } = await far(`--objects 10 --bytes 64 --local 1MiB --accesses 10 ${option}`);
  expect(code).toBe(2);
  expect(err).toMatch(sentence);
});
