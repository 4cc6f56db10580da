import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'strata-elastic-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const runs = fileURLToPath(new URL('../../fixtures/elastic/runs.csv.gz', import.meta.url));

async function strata(line: string) {
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
  const code = await runCommandLine(['elastic', ...line.split(' ')]);
  vi.restoreAllMocks();
  return { code, out, err, json: () => JSON.parse(out) };
}

/** One run of the recordings as a file of its own. */
function runFile(name: string): string {
  const lines = gunzipSync(readFileSync(runs)).toString().trim().split('\n');
  const path = join(folder, `${name}.csv`);
  writeFileSync(path, [lines[0], ...lines.slice(1).filter((line) => line.startsWith(`${name},`))].join('\n'));
  return path;
}

describe('strata elastic explain', () => {
  it('cuts a device off before the memory goes, and lets it in after it came', async () => {
    const { code, json } = await strata('explain --technique hyperalloc --vfio --mib 2 --json');
    expect(code).toBe(0);
    const steps: { phase: string; operations: string; microseconds: number; residentMiB: number }[] = json().steps;
    const [shrink] = steps;
    expect(shrink).toMatchObject({
      phase: 'shrink',
      operations: '1 x reclaimState2m, 1 x iommuUnmap2m, 1 x zap2m',
      microseconds: expect.closeTo(0.4308 + 32.82 + 5.89, 6),
      residentMiB: 254,
    });
    expect(steps.some(({ operations }) => operations === '1 x install2m, 1 x zero2m, 1 x iommuMap2m')).toBe(true);
  });

  it('shows what each technique says, and refuses an amount that the small VM has not', async () => {
    for (const name of ['virtio-balloon', 'virtio-balloon-huge', 'virtio-mem', 'fpr', 'hinting']) {
      const { code, out } = await strata(`explain --technique ${name}`);
      expect(code, name).toBe(0);
      expect(out).toMatch(/guest +(inflate|unplug|report|hint)/);
    }
    expect((await strata('explain --technique static')).out).toMatch(/use +- +end .* 65536 x guestTouch4k/);
    const { code, err } = await strata('explain --technique hyperalloc --mib 3');
    expect(code).toBe(2);
    expect(err).toContain('an even number from 2 to 128');
  });
});

describe('strata elastic resize', () => {
  it('keeps its contract', async () => {
    const { code, json } = await strata('resize --technique hyperalloc --from 20 --to 2 --json');
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      schemaVersion: 1,
      shrinkMs: expect.closeTo(58.25, 1),
      growMs: expect.closeTo(2.35, 1),
      touchMs: expect.closeTo(4760.6, 0),
      gibPerSecond: expect.closeTo(309, 0),
    });
  });

  it('takes VFIO, untouched memory, other names of techniques, and costs of the user', async () => {
    const file = join(folder, 'mine.yaml');
    writeFileSync(file, 'memUnplug2m: 100\n');
    const plain = await strata('resize --technique virtio-mem --vfio --untouched --from 20 --to 2 --json');
    expect(plain.json()).toMatchObject({ vfio: true, touchMs: 0, growMs: expect.closeTo(4191.7, 0) });
    expect((await strata('resize --technique virtio-mem+vfio --untouched --from 20 --to 2 --json')).json()).toEqual(
      plain.json(),
    );
    const own = await strata(
      `resize --technique virtio-mem --profile-file ${file} --untouched --from 2 --to 20 --json`,
    );
    expect(own.json().shrinkMs).toBeCloseTo(921.6);
  });

  it.each([
    ['resize --technique hyperaloc --from 20 --to 2', /Did you mean hyperalloc/],
    ['resize --technique fpr --from 20 --to 2', /cannot be told a size/],
    ['resize --technique balloon --vfio --from 20 --to 2', /VFIO pins/],
    ['resize --technique hyperalloc --from twenty --to 2', /--from: not a size in GiB/],
    ['resize --technique hyperalloc --from 2 --to 2', /nothing moves/],
    ['resize --technique hyperalloc --from 2 --to 1 --touched --untouched', /exclude each other/],
    ['footprint --technique hyperalloc --demand nowhere.csv', /nowhere.csv/],
    ['footprint --technique hyperalloc --demand gen:compil', /Did you mean compile/],
    ['footprint --technique hyperalloc --demand gen:compile,minuts=3', /Did you mean minutes/],
    ['footprint --technique hyperalloc --demand gen:compile,minutes', /malformed/],
    [
      'footprint --technique fpr --demand gen:idle --set reporting.delay=1',
      /unknown key delay. Known: order, delaySeconds/,
    ],
    ['footprint --technique fpr --demand gen:idle --allocator slab', /buddy or llfree/],
    [`footprint --technique hyperalloc --demand ${runs}`, /holds 10 recordings.*--select/],
    [`footprint --technique hyperalloc --demand ${runs} --select clang`, /no recording is named clang/],
    ['pack --technique fpr --demand gen:idle --host-gib 0', /--host-gib/],
    ['pack --technique fpr --demand gen:idle --host-gib 4 --percentile 200', /from 1 to 100/],
    ['interference --technique hyperalloc --threads 48', /1 to 12/],
    ['interference --technique fpr', /free-page-reporting/],
  ])('%s ends with a sentence and exit code 2', async (line, message) => {
    const { code, err, out } = await strata(line);
    expect(err).toMatch(message);
    expect(code).toBe(2);
    expect(out).toBe('');
  });
});

describe('strata elastic footprint', () => {
  it('keeps its contract, and shows what was recorded', async () => {
    const { code, json } = await strata(
      `footprint --demand ${runFile('clang-llfree-auto')} --technique hyperalloc --json`,
    );
    const document = json();
    expect(code).toBe(0);
    expect(document).toMatchObject({
      gibMinutes: expect.any(Number),
      peakGiB: expect.any(Number),
      meanGiB: expect.any(Number),
      basis: 'recorded',
      recorded: { technique: 'hyperalloc' },
    });
    expect(Math.abs(document.recorded.errorPercent)).toBeLessThan(4);
    const integral = document.series.reduce(
      (sum: number, { seconds, residentGiB }: Record<string, number>, at: number) =>
        at === 0
          ? sum
          : sum +
            ((residentGiB! + document.series[at - 1].residentGiB) / 2) * (seconds! - document.series[at - 1].seconds),
      0,
    );
    expect(integral / 60).toBeCloseTo(document.gibMinutes, 6);
  });

  it('cuts a recording, and says when a demand was recorded under another allocator', async () => {
    const { json, err } = await strata(
      `footprint --demand ${runs} --select clang-base-manual/0 --until 2472 --technique hyperalloc --json`,
    );
    expect(json().gibMinutes).toBeCloseTo(357.2, -1.5);
    expect(err).toMatch(/recorded under buddy and the technique comes with llfree/);
  });

  it('costs a VM with fewer techniques more: static >= free page reporting >= single pages, and HyperAlloc least of 2 MiB', async () => {
    const of = async (rest: string) =>
      (await strata(`footprint --demand gen:compile ${rest} --json --quiet`)).json().gibMinutes;
    const [fixed, reporting, small, hyperalloc] = [
      await of('--technique static'),
      await of('--technique fpr'),
      await of('--technique fpr --set reporting.order=0'),
      await of('--technique hyperalloc'),
    ];
    expect(fixed).toBeGreaterThan(reporting);
    expect(reporting).toBeGreaterThan(small);
    expect(reporting).toBeGreaterThan(hyperalloc);
  });

  it('gives the same bytes for the same seed', async () => {
    const line = 'footprint --demand gen:compile,seed=7,minutes=5 --technique virtio-mem --csv --quiet';
    expect((await strata(line)).out).toBe((await strata(line)).out);
  });
});

describe('strata elastic pack', () => {
  it('keeps its contract: the number of VMs, their peak, the margin', async () => {
    const { json } = await strata('pack --demand gen:compile gen:idle --host-gib 48 --technique hyperalloc --json');
    const { vms, peakGiB, marginGiB, steps } = json();
    expect(peakGiB + marginGiB).toBeCloseTo(48);
    expect(marginGiB).toBeGreaterThanOrEqual(0);
    expect(steps).toHaveLength(vms + 1);
    expect(steps.at(-1).peakGiB).toBeGreaterThan(48);
  });

  it('says 0 VMs where not even one fits', async () => {
    const { json } = await strata('pack --demand gen:compile --host-gib 1 --technique static --json');
    expect(json()).toMatchObject({ vms: 0, peakGiB: 0, marginGiB: 1 });
  });
});

describe('strata elastic interference', () => {
  it('says what STREAM and FTQ lose', async () => {
    const { json } = await strata('interference --technique virtio-balloon --threads 12 --json');
    expect(json()).toMatchObject({
      baselineGbPerSecond: 68.99,
      shrink: { relativeBandwidth: 0.5, slowBandwidth: expect.closeTo(0.465, 3) },
      streamFirstPercentile: expect.closeTo(0.465, 3),
      basis: 'modelled',
      measured: { shrink: { slowSeconds: 45.8, relativeBandwidth: 0.46 }, streamFirstPercentile: 0.448 },
    });
  });

  it('follows sizes and hosts that nobody measured, and says so', async () => {
    const { code, json, err } = await strata(
      'interference --technique virtio-mem --threads 6 --from 512 --to 1 --json',
    );
    expect(code).toBe(0);
    expect(json()).toMatchObject({ movedGiB: 511, measured: null, basis: 'modelled' });
    expect(err).toMatch(/nothing to compare/);
  });
});

describe('strata elastic events and impact', () => {
  const small = '--vm-mib 128 --mib 8';

  it('writes events that impact reads: the same as running the technique', async () => {
    const csv = await strata(`events --technique hyperalloc --vfio ${small} --csv`);
    expect([csv.code, csv.out.split('\n')[0]]).toEqual([0, 'micros,kind,frame,pages']);
    const file = join(folder, 'events.csv');
    writeFileSync(file, csv.out);
    const rest = `${small} --trace gen:gups,size=16MiB,accesses=2e5 --io-trace gen:iperf3,tenants=1,packets=3000 --json`;
    const direct = await strata(`impact --technique hyperalloc --vfio ${rest}`);
    const read = await strata(`impact --technique hyperalloc --vfio --events ${file} ${rest}`);
    expect([direct.code, read.code]).toEqual([0, 0]);
    expect(read.json()).toEqual(direct.json());
    const { events, translation, io } = direct.json();
    expect(events['ept-unmap']).toBe(events['iommu-unmap']);
    // The translation part: each mapping that goes is a shootdown, and the program walks again for its pages.
    expect(translation.without.shootdowns).toBe(0);
    expect(translation.with.shootdowns).toBeGreaterThan(0);
    expect(translation.with.walks).toBeGreaterThan(translation.without.walks);
    // The I/O part: each frame that is taken from the device is one command of the invalidation queue.
    expect(io.without.invalidations).toBe(0);
    expect(io.with.invalidations).toBeGreaterThan(0);
    expect(io.with.lockHeldShare).toBeGreaterThan(0);
  });

  it('moves as much memory under each technique that is told a size, and more when HyperAlloc acts by itself', async () => {
    const unmaps = async (rest: string) =>
      (await strata(`events --vm-mib 128 --mib 8 --technique ${rest} --json`)).json().counts;
    for (const technique of [
      'virtio-balloon-huge',
      'virtio-mem',
      'virtio-mem --vfio',
      'hyperalloc',
      'hyperalloc --vfio',
    ])
      expect((await unmaps(technique))['ept-unmap'], technique).toBe(4);
    expect((await unmaps('virtio-balloon'))['ept-unmap']).toBe(4 * 512);
    expect((await unmaps('hyperalloc --automatic'))['ept-unmap']).toBeGreaterThan(40);
  });

  it('splits huge pages of the host under a balloon of single pages only', async () => {
    const rest = `${small} --trace gen:gups,size=16MiB,accesses=2e5 --json`;
    const [single, huge] = [
      (await strata(`impact --technique virtio-balloon ${rest}`)).json(),
      (await strata(`impact --technique virtio-balloon-huge ${rest}`)).json(),
    ];
    expect(single.io).toBeNull();
    expect(single.translation.with.splits).toBeGreaterThan(0);
    expect(huge.translation.with.splits).toBe(0);
    expect(single.translation.with.walks).toBeGreaterThan(huge.translation.with.walks);
    expect((await strata(`impact --technique static ${rest}`)).json().translation).toMatchObject({
      with: { shootdowns: 0 },
    });
  });

  it.each([
    ['', /line 1: not an event of memory|empty/],
    ['micros,kind,frame,pages\n1,ept-unmap,0,3\n', /line 2: not an event of memory/],
    ['micros,kind,frame,pages\n2,ept-unmap,0,1\n1,ept-map,0,1\n', /line 3/],
    ['micros,kind,frame,pages\n1,ept-remap,0,1\n', /line 2/],
    ['micros,kind,frame,pages\nNaN,ept-map,0,1\n', /line 2/],
  ])('refuses a damaged file of events in a sentence: %j', async (text, message) => {
    const file = join(folder, 'damaged.csv');
    writeFileSync(file, text);
    const { code, out, err } = await strata(`impact --technique hyperalloc --events ${file}`);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('refuses amounts that the VM has not', async () => {
    expect((await strata('events --technique hyperalloc --vm-mib 128 --mib 65')).code).toBe(2);
    expect((await strata('impact --technique virtio-balloon --vfio')).code).toBe(2);
  });
});

describe('strata elastic footprint --replay pages', () => {
  const trace = join(folder, 'kmem.txt');
  const event = (seconds: number, what: string) => `  kvm-1 [000] ..... ${seconds.toFixed(6)}: mm_page_${what}`;
  // 32 MiB: LLFree keeps the tree of 16 MiB that it is at from being reclaimed.
  const lines = Array.from({ length: 2_048 }, (_, at) =>
    event(at / 2_048, `alloc: pfn=0x${(4 * at).toString(16)} order=2`),
  );
  const frees = Array.from({ length: 2_048 }, (_, at) =>
    event(2 + at / 2_048, `free: pfn=0x${(4 * at).toString(16)} order=2`),
  );

  it('has the footprint of the frames themselves, with the keys of every footprint', async () => {
    writeFileSync(trace, [...lines, ...frees, event(12, 'alloc: pfn=0x9000 order=0'), ''].join('\n'));
    const of = async (technique: string) =>
      (
        await strata(`footprint --demand ${trace} --technique ${technique} --replay pages --total-gib 0.25 --json`)
      ).json();
    const [fixed, given] = [await of('static'), await of('hyperalloc')];
    for (const document of [fixed, given]) expect(document.peakGiB).toBeGreaterThanOrEqual(32 / 1024);
    expect(given.series.at(-1).residentGiB).toBeLessThan(fixed.series.at(-1).residentGiB);
    expect(given.gibMinutes).toBeLessThan(fixed.gibMinutes);
    expect(given).toMatchObject({ basis: 'page by page', meanGiB: expect.any(Number) });
  });

  it.each(['virtio-balloon', 'virtio-balloon-huge', 'virtio-mem', 'virtio-mem --vfio', 'free-page-hinting'])(
    'follows %s as well',
    async (technique) => {
      writeFileSync(trace, [...lines, ...frees, event(12, 'alloc: pfn=0x9000 order=0'), ''].join('\n'));
      const { code, json } = await strata(
        `footprint --demand ${trace} --technique ${technique} --replay pages --total-gib 0.25 --json`,
      );
      expect(code).toBe(0);
      expect(json()).toMatchObject({ basis: 'page by page', gibMinutes: expect.any(Number) });
      expect(json().peakGiB).toBeGreaterThanOrEqual(32 / 1024);
    },
  );

  it.each([
    ['--technique hyperalloc --replay pages', /size of the VM/],
    ['--technique virtio-balloon --vfio --replay pages --total-gib 0.25', /passed-through/],
  ])('is refused in a sentence: %s', async (options, message) => {
    writeFileSync(trace, [...lines, ''].join('\n'));
    const { code, out, err } = await strata(`footprint --demand ${trace} ${options}`);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('is for traces of the page allocator only', async () => {
    const { code, err } = await strata(
      `footprint --demand ${runs} --select clang-base-manual/0 --technique hyperalloc --replay pages --total-gib 16`,
    );
    expect(code).toBe(2);
    expect(err).toMatch(/page by page|page allocator/);
  });
});
