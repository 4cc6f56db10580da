import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createExitModel, parseProfile, profiles } from '@strata/model/nesting';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { runCommandLine } from '../command-line.ts';

const folder = temporaryFolder('nest');
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/nest/${name}`, import.meta.url));

async function strata(...args: string[]) {
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
  const code = await runCommandLine(['nest', ...args]);
  vi.restoreAllMocks();
  return { code, out, err, json: () => JSON.parse(out) };
}

function written(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

interface TreeNode {
  readonly cycles: number;
  readonly children?: readonly TreeNode[];
}
const leafCycles = (node: TreeNode): number =>
  node.children === undefined ? node.cycles : node.children.reduce((sum, child) => sum + leafCycles(child), 0);

describe('strata nest cost', () => {
  it('gives cycles, hardware exits and a tree whose leaves add up', async () => {
    const { code, json } = await strata(
      'cost',
      '--profile',
      'dvh-paper',
      '--level',
      '3',
      '--kind',
      'hypercall',
      '--json',
    );
    const document = json();
    expect([code, document.cycles, document.hardwareExits]).toEqual([0, 783_547, 162]);
    expect(leafCycles(document.tree)).toBe(783_547);
    expect(document.basis).toBe('predicted');
  });

  it('takes the synthetic example of the specification from a YAML file', async () => {
    const file = written(
      'v3.yaml',
      'HW: 1000\nRM0: 10000\nsw: { h: 500 }\nsw_vm: 200\nd_vm: 0\nsw_r: 0\nsw_m: 0\nHANDLER:\n  h: { S: 2, N: 1 }\n  vm: {}\nREFLECT: { N: 3 }\nRUN: { N: 2 }\nshadow: [1]\n',
    );
    const costs = [];
    for (const level of [1, 2, 3, 4])
      costs.push(
        (await strata('cost', '--profile-file', file, '--level', String(level), '--kind', 'h', '--json')).json(),
      );
    expect(costs.map(({ cycles }) => cycles)).toEqual([1500, 13700, 67100, 212100]);
    expect(costs.map(({ hardwareExits }) => hardwareExits)).toEqual([1, 3, 15, 55]);
  });

  it('reads sets of levels as the specification prints them, and refuses constants without end', async () => {
    const constants =
      'RM0: 10000\nsw: { h: 500 }\nsw_vm: 200\nHANDLER:\n  h: { S: 2, N: 1 }\n  vm: {}\nREFLECT: { N: 3 }\nRUN: { N: 2 }\n';
    const cost = (name: string, rest: string) =>
      strata('cost', '--profile-file', written(name, constants + rest), '--level', '3', '--kind', 'h', '--json');
    expect((await cost('one.yaml', 'HW: 1000\nshadow: {1}\n')).json().cycles).toBe(67_100);
    expect((await cost('two.yaml', 'HW: 1000\nshadow: {1, 2}\n')).json().cycles).toBe(42_700);
    for (const endless of ['.inf', '.nan'])
      expect(await cost('bad.yaml', `HW: ${endless}\n`)).toMatchObject({ code: 2, out: '' });
  });

  it('knows every kind the contract names, with and without DVH', async () => {
    for (const kind of ['hypercall', 'devnotify', 'timer', 'ipi', 'cpuid'])
      for (const dvh of ['none', 'vp', 'dvh', 'timer,ipi', 'vp,posted,idle'])
        expect(
          (await strata('cost', '--level', '2', '--kind', kind, '--dvh', dvh, '--json')).json().cycles,
        ).toBeGreaterThan(0);
  });

  it.each([
    [['cost', '--level', '0', '--kind', 'timer'], /--level/],
    [['cost', '--level', '1.5', '--kind', 'timer'], /--level/],
    [['cost', '--level', '33', '--kind', 'timer'], /1 \(the first VM\) to 32/],
    [['cost', '--level', '2', '--kind', 'timr'], /Did you mean timer/],
    [['cost', '--level', '2', '--kind', 'constructor'], /no exit kind/],
    [['cost', '--level', '2', '--kind', 'timer', '--dvh', 'timr'], /Did you mean timer/],
    [['cost', '--level', '2', '--kind', 'timer', '--profile', 'dvh-papr'], /Did you mean dvh-paper/],
    [['cost', '--level', '2', '--kind', 'timer', '--profile-file', '/nowhere.yaml'], /no such file/],
    [['cost', '--profile', 'hyperv-evmcs', '--level', '3', '--kind', 'timer'], /L3 is not supported/],
    [['import', '/nowhere'], /no such file/],
    [['plan', '--level', '1', '--config', 'dvh'], /no such set-up/],
    [['plan', '--level', '2', '--config', 'dhv'], /Did you mean dvh/],
    [['score', '/nowhere'], /no such folder/],
    [['predict', '--exits', fixture('web-server.perf-kvm-stat.txt')], /--ops COUNT, or --rate/],
    [['predict', '--exits', fixture('web-server.perf-kvm-stat.txt'), '--ops', '0'], /--ops/],
    [['simulate', '--app', 'apach'], /Did you mean apache/],
    [
      ['calibrate', '--l1', fixture('artifact-results.txt'), '--l2', fixture('vmexit-l2.txt')],
      /no result of kvm-unit-tests/,
    ],
  ])('%j is refused in a sentence, with exit code 2', async (args, message) => {
    const { code, out, err } = await strata(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/internal error|\n\s+at /);
  });
});

describe('strata nest import', () => {
  it('gives format, reasons, total and losses', async () => {
    const document = (await strata('import', fixture('web-server.perf-kvm-stat.txt'), '--json')).json();
    expect(document).toMatchObject({ format: 'perf-kvm-stat', total: 601_760, lost: 0, unknownMsrs: 0 });
    expect(document.reasons.MSR_WRITE.count).toBe(210_450);
    expect(document.reasons.CPUID.timeUs).toBeCloseTo(4_010 * 1.24, 6);
    expect(document.kinds).toMatchObject({ timer: 168_360, ipi: 31_567, msr: 10_523 });
    expect((await strata('import', fixture('web-server.perf-kvm-stat.txt'))).out).toMatch(
      /As kinds of the model: devnotify 241,300, timer 168,360, /,
    );
  });

  it('reads the recorded boot of a nested guest', async () => {
    const document = (
      await strata(
        'import',
        fileURLToPath(new URL('../../../traces/fixtures/kvm_exit-l2boot-ftrace.txt.zst', import.meta.url)),
        '--json',
      )
    ).json();
    expect(document).toMatchObject({ format: 'ftrace', total: 44_757, lost: 0, lines: 209_088 });
    expect(document.reasons.npf.count).toBe(23_869);
  });
});

describe('strata nest predict', () => {
  it('prices the kinds of a profile file that no profile of its own has: the worked example V3', async () => {
    const profile = written(
      'v3.yaml',
      'HW: 1000\nRM0: 10000\nsw: { h: 500 }\nsw_vm: 200\nHANDLER: { h: { S: 2, N: 1 }, vm: {} }\nREFLECT: { N: 3 }\nRUN: { N: 2 }\nshadow: [1]\n',
    );
    const exits = written('v3.csv', 'kind,count\nh,20\n');
    const { code, json } = await strata(
      'predict',
      '--profile-file',
      profile,
      '--exits',
      exits,
      '--ops',
      '10',
      '--native-cycles',
      '10000',
      '--levels',
      '4',
      '--json',
    );
    expect(code).toBe(0);
    expect(json().profile).toBe(profile);
    expect(json().levels.map(({ cyclesPerOp }: { cyclesPerOp: number }) => (cyclesPerOp - 10_000) / 2)).toEqual([
      1_500, 13_700, 67_100, 212_100,
    ]);
  });

  it('charges expiries of the timer at depth and bounds the interrupts that a report by reason leaves out', async () => {
    const report = (expiries: number) =>
      `VM-EXIT  Samples  Samples%  Time%  Min Time  Max Time  Avg time\n${[
        ['MSR_WRITE', 100],
        ['HLT', 40],
        ['EXTERNAL_INTERRUPT', 20],
        ...(expiries > 0 ? [['PREEMPTION_TIMER', expiries] as const] : []),
      ]
        .map(([name, count]) => `  ${name}  ${count}  1.00%  1.00%  0.60us  9.00us 1.00us ( +- 0.86% )\n`)
        .join('')}`;
    const predicted = async (name: string, text: string, ...more: string[]) => {
      const { out, err } = await strata(
        'predict',
        '--exits',
        written(name, text),
        '--ops',
        '10',
        '--native-cycles',
        '20000',
        '--msr-split',
        'timer=1',
        '--json',
        ...more,
      );
      return { document: JSON.parse(out), err };
    };
    const model = createExitModel(profiles.get('dvh-paper'));
    const { document, err } = await predicted('expiries.txt', report(30));
    const without = (await predicted('quiet.txt', report(0))).document;
    expect(err).toMatch(/does not count interrupts delivered/);
    for (const level of [1, 2, 3]) {
      const [one, other] = [document.levels[level - 1], without.levels[level - 1]];
      const expiry = model.cost(level, 'preemption-timer').cycles + (level - 1) * model.cost(level, 'interrupt').cycles;
      expect(one.cyclesPerOp - other.cyclesPerOp).toBeCloseTo(3 * expiry, 6);
      // 4 wake-ups and 2 host interrupts per operation.
      expect(one.leftOut.cyclesPerOp - one.cyclesPerOp).toBeCloseTo(
        6 * (level - 1) * model.cost(level, 'interrupt').cycles,
        6,
      );
    }
    // Virtual timers post the expiry as well.
    const timers = document.levels[1].mechanisms.timer.cyclesPerOp - without.levels[1].mechanisms.timer.cyclesPerOp;
    expect(timers).toBeCloseTo(3 * model.cost(2, 'preemption-timer').cycles, 6);
    const given = (await predicted('given.txt', report(30), '--interrupts', '50')).document;
    expect(given.interrupts).toEqual({ from: 'given', perOp: { timer: 3, ipi: 0, device: 2 }, leftOutPerOp: 0 });
    expect(given.levels[1].leftOut).toBeUndefined();
    expect(given.levels.map((level: { basis: string }) => level.basis)).toEqual(['assumed', 'assumed', 'assumed']);
    const bare = written(
      'bare.yaml',
      'HW: 1000\nRM0: 10000\nsw: { timer: 500, hlt: 500, host-interrupt: 10, preemption-timer: 10 }\n',
    );
    expect((await predicted('bare.txt', report(30), '--profile-file', bare)).err).toMatch(/has no kind `interrupt`/);
    const unknown = await strata(
      'predict',
      '--exits',
      written('u.csv', 'reason,count\nCPUID,1\n'),
      '--ops',
      '1',
      '--native-cycles',
      '9',
      '--profile-file',
      bare,
    );
    expect([unknown.code, unknown.err]).toEqual([
      2,
      expect.stringMatching(/exits of kind cpuid.*sw: \{ cpuid: CYCLES \}/s),
    ]);
  });

  it('gives the worked example, by the prices of Table 3', async () => {
    const exits = written('mix.csv', 'reason,count\ndevnotify,0.3\ntimer,0.2\nipi,0.1\n');
    const { levels } = (
      await strata('predict', '--exits', exits, '--ops', '1', '--native-cycles', '20000', '--measured', '--json')
    ).json();
    expect(levels[0].cyclesPerOp).toBeCloseTo(22_223.5, 6);
    expect(levels[1].cyclesPerOp).toBeCloseTo(47_134.4, 6);
    expect(levels[1].mechanisms.dvh.cyclesPerOp).toBeCloseTo(25_305.5, 6);
    expect(levels[2].cyclesPerOp).toBeCloseTo(608_266.8, 6);
    expect(levels[2].mechanisms.dvh.cyclesPerOp).toBeCloseTo(25_728.6, 6);
  });

  it('gives the worked example of request and response, with and without DVH', async () => {
    const exits = written('rr.csv', 'reason,count\ndevnotify,1\ntimer,1\nwake,1\n');
    const { levels } = (
      await strata(
        'predict',
        '--exits',
        exits,
        '--ops',
        '1',
        '--native-cycles',
        '48400',
        '--latency-us',
        '22',
        '--measured',
        '--json',
      )
    ).json();
    const rounded = (micros: number) => Number(micros.toFixed(micros > 1_000 ? 1 : 2));
    expect(levels.map(({ latencyUs }: { latencyUs: number }) => rounded(latencyUs))).toEqual([25.89, 80.86, 1340.4]);
    expect([1, 2].map((index) => rounded(levels[index].mechanisms.dvh.latencyUs))).toEqual([30.47, 31.1]);
    for (const { latencyUs, mechanisms } of levels)
      for (const figures of Object.values(mechanisms) as { latencyUs: number }[])
        expect(figures.latencyUs).toBeLessThanOrEqual(latencyUs);
  });

  it('charges interrupts to latencies too, and prints them with their band where they are asked for', async () => {
    const exits = written('interrupts.csv', 'reason,count\ndevnotify,10\n');
    const args = ['predict', '--exits', exits, '--ops', '10', '--native-cycles', '48400', '--latency-us', '22'];
    const latencies = async (...more: string[]) => (await strata(...args, ...more, '--json')).json().levels;
    const [without, with20] = [await latencies('--interrupts', '0'), await latencies('--interrupts', '20')];
    // Two interrupts per operation, one reflected exit each at level 2.
    const interrupt = createExitModel(profiles.get('dvh-paper')).cost(2, 'interrupt').cycles;
    expect(with20[1].latencyUs - without[1].latencyUs).toBeCloseTo((2 * interrupt) / 2_200, 6);
    expect(with20[0].latencyUs).toBe(without[0].latencyUs);
    expect(with20[1].latencyLowUs).toBeLessThan(with20[1].latencyUs);
    expect(with20[1].latencyHighUs).toBeGreaterThan(with20[1].latencyUs);
    expect((await strata(...args, '--interrupts', '20')).out).toMatch(/latency \(µs\)/);
    expect((await strata(...args, '--csv')).out).toMatch(/,latencyUs,latencyLowUs,latencyHighUs\n/);
  });

  it('warns of a recording that was made below nested guests', async () => {
    const rows = 'reason,count\nHLT,10\n';
    const predicted = (name: string, text: string) =>
      strata('predict', '--exits', written(name, text), '--ops', '10', '--native-cycles', '1000', '--json');
    const nested = await predicted('l0.csv', `${rows}VMRESUME,5\n`);
    expect(nested.json().assumptions.join(' ')).toMatch(/L0 recording of nested guests \(VMRESUME\)/);
    expect(nested.err).toMatch(/L0 recording of nested guests/);
    const events =
      ' kvm-5 [000] .... 1.000000: kvm_exit: reason CPUID rip 0x1 info 0 0\n kvm-5 [000] .... 1.100000: kvm_nested_vmexit: rip: 0x1 reason: CPUID\n kvm-5 [000] .... 1.200000: kvm_entry: vcpu 0\n';
    expect((await predicted('l0.txt', events)).err).toMatch(/1 kvm_nested_vmexit/);
    expect((await predicted('vm.csv', rows)).err).not.toMatch(/nested guests/);
  });

  it('refuses figures that overflow instead of printing null', async () => {
    const exits = written('tiny.csv', 'reason,count\nHLT,1000000\n');
    const { code, out, err } = await strata(
      'predict',
      '--exits',
      exits,
      '--ops',
      '1e-307',
      '--native-cycles',
      '1000',
      '--json',
    );
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/overflows/);
  });

  it('orders the levels, keeps figures within their bands, and says what it assumed', async () => {
    const { json, err } = await strata(
      'predict',
      '--exits',
      fixture('web-server.perf-kvm-stat.txt'),
      '--ops',
      '120000',
      '--json',
    );
    const { levels, assumptions } = json();
    expect(levels.map(({ level }: { level: number }) => level)).toEqual([1, 2, 3]);
    for (const { slowdown, low, high, removeFirst, breakEven, mechanisms } of levels) {
      expect(low).toBeLessThanOrEqual(slowdown);
      expect(high).toBeGreaterThanOrEqual(slowdown);
      expect(removeFirst[0].kind).toBe('devnotify');
      expect(breakEven.exitsPerOp).toBeGreaterThan(0);
      for (const name of ['vp', 'timer', 'ipi', 'idle', 'posted'])
        if (mechanisms[name] !== undefined) expect(mechanisms[name].slowdown).toBeLessThanOrEqual(slowdown);
    }
    expect(levels[1].slowdown).toBeGreaterThan(levels[0].slowdown);
    expect(assumptions.join(' ')).toMatch(/10 s assumed/);
    expect(err).toMatch(/10 s assumed/);
  });

  it('takes the rate and the window from the recording where it has them', async () => {
    const exits = written('rate.csv', 'reason,count,window_s,ops\nHLT,1000,2,500\n');
    const byOps = (await strata('predict', '--exits', exits, '--cycles', '100000', '--json')).json();
    const byRate = (await strata('predict', '--exits', exits, '--rate', '250', '--cycles', '100000', '--json')).json();
    expect(byRate.levels).toEqual(byOps.levels);
    expect(byOps.exitsPerOp).toEqual({ hlt: 2 });
  });

  it('splits MSR writes of unknown purpose as told, or says that it assumed', async () => {
    const exits = written('msr.csv', 'reason,count\nMSR_WRITE,100\n');
    const told = await strata(
      'predict',
      '--exits',
      exits,
      '--ops',
      '10',
      '--native-cycles',
      '1000',
      '--msr-split',
      'timer=0.5,ipi=0.5',
      '--json',
    );
    expect(told.json().exitsPerOp).toEqual({ timer: 5, ipi: 5 });
    expect((await strata('predict', '--exits', exits, '--ops', '10', '--native-cycles', '1000')).err).toMatch(
      /60 % timer/,
    );
    expect((await strata('predict', '--exits', exits, '--ops', '10', '--msr-split', 'timer=2')).err).toMatch(
      /more than 1/,
    );
  });
});

describe('strata nest calibrate', () => {
  it('writes a profile that cost accepts and that prices as fitted', async () => {
    const file = join(folder, 'calibrated.yaml');
    const { code, json } = await strata(
      'calibrate',
      '--l1',
      fixture('vmexit-l1.txt'),
      '--l2',
      fixture('vmexit-l2.txt'),
      '--out',
      file,
      '--json',
    );
    expect([code, json().profile.RM0]).toEqual([0, 32_928]);
    expect(json().level3Hypercall).toMatchObject({ cycles: 783_547 });
    expect(
      (await strata('cost', '--profile-file', file, '--level', '2', '--kind', 'hypercall', '--json')).json().cycles,
    ).toBe(37_733);
    expect(createExitModel(parseProfile(parse(readFileSync(file, 'utf8')), file)).cost(3, 'timer').cycles).toBe(
      823_935,
    );
  });
});

it('strata nest calibrate says how far runs are apart, or that one run does not tell', async () => {
  const [one, two] = ['vmexit-l1.txt', 'vmexit-l2.txt'].map((name) => readFileSync(fixture(name), 'utf8'));
  const once = ['calibrate', '--l1', fixture('vmexit-l1.txt'), '--l2', fixture('vmexit-l2.txt')];
  expect((await strata(...once)).out).toMatch(/One run of the hypercall at each level/);
  expect((await strata(...once, '--json')).json().fittedConstant).toEqual({ cycles: 32_928 });
  const again = [
    'calibrate',
    '--l1',
    written('l1.txt', `${one}vmcall 1675\n`),
    '--l2',
    written('l2.txt', `${two}vmcall 42733\n`),
  ];
  expect((await strata(...again)).out).toMatch(
    /RM0 32,928 \(fitted to the hypercall at level 2; 32,828 to 37,928 over/,
  );
  const { rows } = (await strata(...again, '--json')).json();
  expect(rows[0]).toMatchObject({ kind: 'hypercall', spread: 1_675 / 1_575 - 1 });
});

it.each(['hyperv-evmcs', 'pvm'])('strata nest calibrate says that %s has no level 3', async (profile) => {
  const args = ['calibrate', '--profile', profile, '--l1', fixture('vmexit-l1.txt'), '--l2', fixture('vmexit-l2.txt')];
  const { code, out, err } = await strata(...args);
  expect([code, out, err]).toEqual([
    0,
    expect.stringMatching(/Level 3 is not available/),
    expect.stringMatching(/not available/),
  ]);
  expect((await strata(...args, '--json')).json().level3Hypercall).toBeNull();
});

describe('the experiment', () => {
  it('plans all eleven set-ups, and one as the artifact writes it', async () => {
    expect((await strata('plan', '--json')).json().setUps).toHaveLength(11);
    const { json } = await strata('plan', '--level', '3', '--config', 'dvh', '--json');
    expect(json().levels.map(({ kernel }: { kernel: string }) => kernel)).toEqual([
      'dvh-L0',
      'dvh-full',
      'dvh-basic',
      'base',
    ]);
  });

  it('scores the artifact’s sample from its script’s output and from folders alike, against native', async () => {
    const { tests } = (await strata('score', fixture('artifact-results.txt'), '--json')).json();
    expect(tests['netperf-rr'].score).toBeCloseTo(20_067.4425, 9);
    expect(tests['netperf-stream'].score).toBeCloseTo(9_414.005, 9);
    const results = join(folder, 'results');
    const runs = {
      1: ['header', '20081.91', '20089.42', '19987.31', '20029.22'],
      2: ['header', '19990.36', '20135.43', '19985.2', '20158.78'],
      3: ['header', '1'],
    };
    for (const [run, lines] of Object.entries(runs)) {
      mkdirSync(join(results, run), { recursive: true });
      writeFileSync(join(results, run, 'netperf-rr.txt'), `${lines.join('\n')}\n`);
    }
    const scored = await strata('score', results, '--native', fixture('artifact-results.txt'), '--json');
    expect(scored.json().tests['netperf-rr']).toMatchObject({
      score: tests['netperf-rr'].score,
      overhead: 1,
      dropped: ['3 (1 iterations)'],
    });
    expect(scored.err).toMatch(/run 3/);
    writeFileSync(join(results, '2', 'netperf-rr.txt'), 'header\n1\nx\n');
    expect((await strata('score', results)).err).toMatch(/netperf-rr.txt, line 3/);
  });

  it('simulates one application in one set-up, the same every time', async () => {
    const args = [
      'simulate',
      '--app',
      'netperf-rr',
      '--level',
      '2',
      '--config',
      'dvh',
      '--operations',
      '100',
      '--json',
    ];
    const first = await strata(...args);
    expect(first.json().results).toHaveLength(1);
    expect((await strata(...args)).out).toBe(first.out);
  });
});

describe('the architecture of a recording', () => {
  const warning = /names exits of (Intel|AMD|Arm), profile/;
  it.each([
    ['Intel', 'HLT', 'dvh-paper', 'amd-svm'],
    ['AMD', 'npf', 'amd-svm', 'dvh-paper'],
    ['Arm', 'WFx', 'arm-neve', 'dvh-paper'],
  ])('is told where the profile prices another: %s', async (vendor, reason, fitting, other) => {
    const exits = written('vendor.csv', `reason,count\n${reason},20\n`);
    const predict = ['predict', '--exits', exits, '--ops', '10', '--native-cycles', '10000', '--profile'];
    expect((await strata(...predict, fitting)).err).not.toMatch(warning);
    expect((await strata(...predict, other)).err).toContain(`names exits of ${vendor}, profile ${other}`);
  });
});

describe('what can be named', () => {
  it('lists every profile, and shows one with its kinds', async () => {
    expect((await strata('profiles', '--json')).json().profiles).toHaveLength(profiles.names.length);
    expect((await strata('profiles', '--profile', 'amd-svm')).out).toMatch(/vmload/);
  });
  it('answers whether an exit is reflected', async () => {
    expect((await strata('reflect', 'HLT', '--json')).json().reasons[0].reflected).toBe(false);
    expect((await strata('reflect', 'HLT', '--when', 'hlt-exiting', '--json')).json().reasons[0].reflected).toBe(true);
  });
  it.each(['FOO', 'hlt', 'npf'])('refuses %s, which VMX does not print', async (reason) => {
    const { code, out, err } = await strata('reflect', reason);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`${reason} is no exit reason of VMX`);
  });
  it('reflects a reason of VMX that has no rule', async () => {
    expect((await strata('reflect', 'ENCLS', '--json')).json().reasons[0].reflected).toBe(true);
  });
  it.each(['--providers', '--consumers'])('refuses a hypervisor of %s that is not below the guest', async (option) => {
    const cost = ['cost', '--level', '2', '--kind', 'timer', '--dvh', 'dvh', option];
    expect((await strata(...cost, '0,1')).code).toBe(0);
    expect((await strata(...cost, 'none')).code).toBe(0);
    const { code, err } = await strata(...cost, '0,2');
    expect(code).toBe(2);
    expect(err).toContain(`${option}: no hypervisor at level 2 is below a guest at level 2`);
  });
  it('validates itself with exit code 0', async () => {
    expect((await strata('validate', '--quiet')).code).toBe(0);
  });
});

it('marks the basis in the tables and CSV of every command that prices exits', async () => {
  const csv = async (...args: string[]) => (await strata(...args, '--csv')).out.split('\n');
  const cost = await csv('cost', '--level', '2', '--kind', 'cpuid');
  expect(cost[0]).toMatch(/,basis,low,high$/);
  // cpuid at level 2 is 36,103 cycles, assumed within 30 %.
  expect(cost[1]).toMatch(/,36103,\d+,assumed,25272\.1,46933\.9$/);
  const predicted = await csv('predict', '--exits', fixture('web-server.perf-kvm-stat.txt'), '--ops', '120000');
  expect(predicted[0]).toMatch(/,basis$/);
  const simulated = await csv('simulate', '--app', 'netperf-rr', '--level', '1', '--operations', '50');
  expect([simulated[0], simulated[1]]).toEqual([expect.stringMatching(/,exits$/), expect.stringMatching(/,assumed$/)]);
});
