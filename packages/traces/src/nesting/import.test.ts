import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { importExits, recognise } from './import.ts';

const recorded = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'strata-exits-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

function imported(content: string | Uint8Array, options: Parameters<typeof importExits>[1] = {}) {
  const path = join(folder, `recording-${files++}`);
  writeFileSync(path, content);
  return importExits(path, options);
}

const counts = ({ reasons }: Awaited<ReturnType<typeof importExits>>) =>
  Object.fromEntries([...reasons].map(([name, { count }]) => [name, count]));

describe('the recorded boot of a nested guest', () => {
  const boot = recorded('kvm_exit-l2boot-ftrace.txt.zst');
  it('is read whole: every line, every exit, by reason', async () => {
    const recording = await importExits(boot);
    expect([
      recording.format,
      recording.lines,
      recording.events,
      recording.total,
      recording.lost,
      recording.skipped,
    ]).toEqual(['ftrace', 209_088, 209_076, 44_757, 0, 0]);
    expect(counts(recording)).toMatchObject({
      npf: 23_869,
      io: 10_502,
      cpuid: 7_182,
      interrupt: 2_483,
      vintr: 510,
      hlt: 73,
      msr: 68,
      write_cr4: 57,
    });
    expect([...recording.kinds.values()].reduce((sum, count) => sum + count, 0)).toBe(44_757);
  });
  it('tells device accesses, MSRs and page faults apart by the events that follow', async () => {
    const recording = await importExits(recorded('kvm_exit-kvmtest-ftrace.txt.gz'));
    // 50 rounds of CPUID, OUT, IN, RDMSR, MMIO store; the two page faults are the guest's first.
    expect(Object.fromEntries(recording.kinds)).toMatchObject({ cpuid: 50, 'pio-user': 150, msr: 50, ept: 2, hlt: 1 });
  });
  it('gives the same from ring-buffer pages as from text', async () => {
    const formats = readFileSync(recorded('kvm-event-formats.txt'), 'utf8');
    const recording = await imported(ringBuffer(), { eventFormats: formats });
    expect([recording.format, recording.total, recording.lost]).toEqual(['ring-buffer', 3, 7]);
    expect(recording.reasons).toEqual(
      new Map([
        ['EPT_MISCONFIG', { count: 1, timeUs: 5 }],
        ['MSR_WRITE', { count: 1, timeUs: 2 }],
        ['npf', { count: 1 }],
      ]),
    );
    expect(Object.fromEntries(recording.kinds)).toEqual({ devnotify: 1, timer: 1, ept: 1 });
    await expect(imported(ringBuffer())).rejects.toThrow(/--event-formats/);
    await expect(imported(ringBuffer(), { eventFormats: 'name: kvm_entry\nID: 5\n' })).rejects.toThrow(
      /kvm_exit is missing/,
    );
  });
  it('names exits of arm64 by their exception class, and refuses a kvm_exit of another layout', async () => {
    const format = ([type, exceptionClass]: readonly [string, string]) =>
      `name: kvm_exit\nID: 1473\nformat:\n\tfield:int ${type};\toffset:8;\tsize:4;\tsigned:1;\n\tfield:unsigned int ${exceptionClass};\toffset:24;\tsize:4;\tsigned:0;\n\nprint fmt: "%s: HSR_EC: 0x%04x (%s), PC: 0x%016lx", __print_symbolic(REC->${type}, {0, "IRQ" }, {1, "SERROR" }, {2, "TRAP" }), REC->${exceptionClass}, __print_symbolic(REC->${exceptionClass}, { (0x00), "UNKNOWN" }, { ((0x01UL)), "WFx" }, { (0x16), "HVC64" }, { (0x24), "DABT_LOW" }), REC->vcpu_pc\n`;
    const exits = [
      [2, 0x24],
      [2, 0x01],
      [0, 0],
      [2, 0x16],
      [0x80000002, 0x24],
      [2, 0x3f],
    ] as const;
    for (const names of [['ret', 'esr_ec'] as const, ['idx', 'exit_reason'] as const]) {
      const recording = await imported(ringBuffer(exits), { eventFormats: format(names) });
      expect(counts(recording)).toEqual({ DABT_LOW: 2, WFx: 1, IRQ: 1, HVC64: 1, '0x3f': 1 });
    }
    const riscv = format(['ret', 'esr_ec']).replaceAll(/\b(ret|esr_ec);/g, 's$1;');
    await expect(imported(ringBuffer(exits), { eventFormats: riscv })).rejects.toThrow(/ret and esr_ec/);
  });
  it('leaves out damaged and cut-off ring-buffer pages, counts them and says so', async () => {
    const eventFormats = readFileSync(recorded('kvm-event-formats.txt'), 'utf8');
    const [whole, page] = [ringBuffer(), 4_096];
    const broken = Buffer.from(whole.subarray(0, page));
    broken.writeUInt32LE(4_081, 8);
    const middle = await imported(Buffer.concat([whole, broken, whole]), { eventFormats });
    expect([middle.total, middle.skipped, middle.warnings]).toEqual([
      6,
      1,
      ['1 of 5 ring-buffer pages are damaged or cut off and were skipped.'],
    ]);
    // A record that leaves its page: nothing of the page counts, not even what came before.
    const late = Buffer.from(whole.subarray(0, page));
    late.writeUInt32LE(28, page - 4);
    late.writeUInt32LE(100, 8);
    expect((await imported(Buffer.concat([late, whole]), { eventFormats })).total).toBe(3);
    for (const [bytes, total, skipped] of [
      [page + 10, 2, 1],
      [page + 40, 2, 1],
      [page + 84, 3, 0],
    ] as const) {
      const cut = await imported(whole.subarray(0, bytes), { eventFormats });
      expect([cut.total, cut.skipped, cut.warnings.length]).toEqual([total, skipped, skipped]);
    }
    await expect(imported(whole.subarray(0, 50), { eventFormats })).rejects.toThrow(/whole pages/);
    await expect(imported(broken, { eventFormats })).rejects.toThrow(/no ring-buffer page/);
  });
  it('survives ring-buffer pages with any byte damaged: a figure or a sentence', async () => {
    const formats = readFileSync(recorded('kvm-event-formats.txt'), 'utf8');
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.nat(255), async (at, value) => {
        const pages = ringBuffer();
        pages[at] = value;
        await imported(pages, { eventFormats: formats, format: 'ring-buffer' }).catch((error) =>
          expect(error).toBeInstanceOf(StrataError),
        );
      }),
      { numRuns: 150 },
    );
  });
});

/** Two pages as the kernel of the reference recording writes them: kvm_exit 1473, kvm_entry 1482, kvm_msr 1469. */
function ringBuffer(arm?: readonly (readonly [type: number, exceptionClass: number])[]): Buffer {
  const page = (time: number, missed: number, records: readonly (readonly [delta: number, bytes: Buffer])[]) => {
    const bytes = Buffer.alloc(4_096);
    let at = 16;
    for (const [delta, record] of records) {
      bytes.writeUInt32LE(((delta << 5) | (record.length / 4)) >>> 0, at);
      record.copy(bytes, at + 4);
      at += 4 + record.length;
    }
    bytes.writeUInt32LE(time, 0);
    bytes.writeUInt32LE(((at - 16) | (missed > 0 ? 0xc0000000 : 0)) >>> 0, 8);
    if (missed > 0) bytes.writeUInt32LE(missed, at);
    return bytes;
  };
  const record = (id: number, size: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(size);
    bytes.writeUInt16LE(id, 0);
    bytes.writeInt32LE(77, 4);
    write(bytes);
    return bytes;
  };
  const exit = (reason: number, isa: number) =>
    record(1473, 60, (bytes) => {
      bytes.writeUInt32LE(reason, 8);
      bytes.writeUInt32LE(isa, 24);
    });
  const entry = record(1482, 28, () => {});
  const msr = record(1469, 28, (bytes) => {
    bytes.writeUInt32LE(1, 8);
    bytes.writeUInt32LE(0x6e0, 12);
  });
  if (arm !== undefined)
    return page(
      1_000,
      0,
      arm.map(([type, exceptionClass]) => [10, exit(type, exceptionClass)]),
    );
  return Buffer.concat([
    page(1_000, 0, [
      [0, exit(49, 1)],
      [5_000, entry],
      [1_000, exit(32, 1)],
      [500, msr],
      [1_500, entry],
    ]),
    page(90_000, 7, [[0, exit(0x400, 2)]]),
  ]);
}

const perfReport = `
Analyze events for all VMs, all VCPUs:

             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time

       EPT_VIOLATION     760998    54.85%     7.23%      0.92us  31765.89us      7.78us ( +-   1.46% )
           MSR_WRITE     170599    12.30%     0.53%      0.60us   3334.13us      2.52us ( +-   0.86% )
  EXTERNAL_INTERRUPT     159510    11.50%     1.65%      0.49us  43705.81us      8.45us ( +-   7.54% )
             PF excp          1     0.00%     0.00%      1.00us      1.00us      1.00us ( +-    nan% )

Lost events: 12
Total Samples:1387305, Total events handled time:81900258.99us.
`;

describe('perf kvm stat report', () => {
  it('is read with its losses, and rows that are missing are noticed', async () => {
    const recording = await imported(perfReport);
    expect([recording.format, recording.total, recording.lost, recording.unknownMsrs]).toEqual([
      'perf-kvm-stat',
      1_387_305,
      12,
      170_599,
    ]);
    expect(counts(recording)).toEqual({
      EPT_VIOLATION: 760_998,
      MSR_WRITE: 170_599,
      EXTERNAL_INTERRUPT: 159_510,
      'PF excp': 1,
    });
    expect(recording.reasons.get('EPT_VIOLATION')?.timeUs).toBeCloseTo(760_998 * 7.78, 3);
    expect(recording.warnings[0]).toMatch(/rows are missing/);
  });
  it('splits MSR writes by the report that follows', async () => {
    const msrs = `${perfReport}\n  MSR Access    Samples  Samples%     Time%    Min Time    Max Time   Avg time\n   0x6e0:W  100000  58.00%  50.00%  0.60us  3334.13us 2.52us ( +- 0.86% )\n   0x830:W  50000  29.00%  30.00%  0.60us  3334.13us 2.52us ( +- 0.86% )\n   0x80b:W  20599  12.00%  20.00%  0.60us  3334.13us 2.52us ( +- 0.86% )\n\nTotal Samples:170599, Total events handled time:1.00us.\n`;
    const recording = await imported(msrs);
    expect(Object.fromEntries(recording.kinds)).toMatchObject({ timer: 100_000, ipi: 50_000, eoi: 20_599 });
    expect([recording.unknownMsrs, recording.total]).toEqual([0, 1_387_305]);
  });
  const head = '  Samples  Samples%  Time%  Min Time  Max Time  Avg time\n';
  const row = (key: string, count: number | string, average = '1.00') =>
    `  ${key}  ${count}  1.00%  1.00%  0.60us  9.00us ${average}us ( +- 0.86% )\n`;

  it('takes reads and writes of MSRs apart where one reason covers both, and never counts a read twice', async () => {
    const msrs = `\n  MSR Access${head}${row('0x6e0:W', 60)}${row('0x830:W', 20)}${row('0x3b:R', 15)}${row('0xc0000080:R', 5)}`;
    for (const reason of ['msr', 'SYS64']) {
      const amd = await imported(`  VM-EXIT${head}${row(reason, 100)}${msrs}`);
      expect([Object.fromEntries(amd.kinds), amd.unknownMsrs]).toEqual([{ timer: 60, ipi: 20, msr: 20 }, 0]);
    }
    const intel = await imported(`  VM-EXIT${head}${row('MSR_WRITE', 80)}${row('MSR_READ', 20)}${msrs}`);
    expect([Object.fromEntries(intel.kinds), intel.unknownMsrs]).toEqual([{ msr: 20, timer: 60, ipi: 20 }, 0]);
  });

  it('tells registers of the local APIC from devices in a report by address', async () => {
    const mmio = `  MMIO Access${head}${row('0xfee00300:W', 5)}${row('0xfee00380:W', 6)}${row('0xfee000b0:W', 7)}${row('0xfee00390:R', 8)}${row('0xfebd0000:W', 9)}${row('0xfee01000:W', 1)}`;
    const alone = await imported(mmio);
    expect(Object.fromEntries(alone.kinds)).toEqual({ ipi: 5, timer: 6, eoi: 7, other: 8, devnotify: 10 });
    const behind = await imported(`  VM-EXIT${head}${row('npf', 36)}${row('msr', 4)}\n${mmio}`);
    expect([Object.fromEntries(behind.kinds), behind.unknownMsrs, behind.total]).toEqual([
      { ipi: 5, timer: 6, eoi: 7, other: 8, devnotify: 10 },
      4,
      40,
    ]);
  });

  it.each([
    // AMD, Arm: one reason for both; what is no access is a page fault.
    ['npf', [['npf', 100]], [['0xfebd0000:W', 30]], { ept: 70, devnotify: 30 }, 0],
    ['DABT_LOW', [['DABT_LOW', 100]], [['0x8000000:R', 30]], { ept: 70, devnotify: 30 }, 0],
    // Intel: a misconfiguration is a doorbell already and is not counted again.
    [
      'EPT',
      [
        ['EPT_MISCONFIG', 20],
        ['EPT_VIOLATION', 50],
      ],
      [['0xfebd0000:W', 30]],
      { devnotify: 30, ept: 40 },
      0,
    ],
    [
      'xAPIC',
      [['APIC_ACCESS', 10]],
      [
        ['0xfee00380:W', 6],
        ['0xfee00300:W', 4],
      ],
      { timer: 6, ipi: 4 },
      0,
    ],
    [
      'another time',
      [
        ['npf', 10],
        ['hlt', 5],
      ],
      [['0xfebd0000:W', 30]],
      { devnotify: 10, hlt: 5 },
      1,
    ],
  ] as const)(
    'splits faults by a report by address behind the one by reason: %s',
    async (_, exits, accesses, kinds, warnings) => {
      const rows = (list: readonly (readonly [string, number])[]) =>
        list.map(([key, count]) => row(key, count)).join('');
      const recording = await imported(`  VM-EXIT${head}${rows(exits)}\n  MMIO Access${head}${rows(accesses)}`);
      expect(Object.fromEntries(recording.kinds)).toEqual(kinds);
      expect(recording.warnings).toHaveLength(warnings);
      expect([...recording.kinds.values()].reduce((sum, count) => sum + count, 0)).toBe(recording.total);
    },
  );

  it('skips and counts rows whose numbers are none', async () => {
    const huge = '9'.repeat(400);
    const text = `  VM-EXIT${head}${row('HLT', 10)}${row('CPUID', 10, '7.7.8')}${row('VMCALL', huge)}${row('CR_ACCESS', 3, huge)}Total Samples:${huge}, Total events handled time:1us.\nLost events: ${huge}\n`;
    const recording = await imported(text);
    expect([counts(recording), recording.total, recording.lost, recording.skipped]).toEqual([{ HLT: 10 }, 10, 0, 5]);
    expect(recording.warnings).toEqual(['5 of 7 lines are damaged or unknown and were skipped.']);
    const reports: readonly (readonly [string, number])[] = [
      [`${'kvm_exit(HLT)'.padEnd(42)}  4000  100\n${'kvm_exit(CPUID)'.padEnd(42)}  4000  ${huge}\n`, 100],
      [`kvm_exit kvm_exit(HLT)\n  100  100\n  100  ${huge}\n`, 100],
      [`  100  kvm:kvm_exit\n  ${huge}  kvm:kvm_msr\n  10.0.3 seconds time elapsed\n`, 100],
    ];
    for (const [report, total] of reports) {
      const { skipped, warnings, windowSeconds, ...read } = await imported(report);
      expect([read.total, skipped > 0, warnings.some((sentence) => /skipped/.test(sentence))]).toEqual([
        total,
        true,
        true,
      ]);
      expect(Number.isFinite(windowSeconds ?? 0)).toBe(true);
    }
    await expect(imported(`reason,count\nHLT,${huge}\n`)).rejects.toThrow(/line 2/);
  });

  it('is read from the first perf with this command (no Min and Max) and from arm64', async () => {
    const old =
      'Analyze events for all VCPUs:\n\n  VM-EXIT    Samples  Samples%     Time%         Avg time\n\n  HLT  100  50.00%  90.00%  10.00us ( +-   1.00% )\n  APIC_ACCESS  100  50.00%  10.00%  2.00us ( +-   1.00% )\n\nTotal Samples:200, Total events handled time:1200.00us.\n';
    expect(counts(await imported(old))).toEqual({ HLT: 100, APIC_ACCESS: 100 });
    const arm =
      'VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time\nDABT_LOW 661867 98.91% 40.45% 2.19us 3364.65us 6.24us ( +- 0.34% )\nWFx 100 1.00% 2.00% 2.19us 3364.65us 6.24us ( +- 0.34% )\n';
    expect(Object.fromEntries((await imported(arm)).kinds)).toEqual({ ept: 661_867, hlt: 100 });
  });
});

describe('texts of events', () => {
  it.each([
    [
      'perf-script',
      '      CPU 0/KVM  699876 [020] 18136.763705:    kvm:kvm_entry: vcpu 0, rip 0xfffff8031964a708\n      CPU 0/KVM  699876 [020] 18136.763707:     kvm:kvm_exit: reason EPT_MISCONFIG rip 0xfffff8031964a727 info 0 0\n      CPU 0/KVM  699876 [020] 18136.763709:     kvm:kvm_fast_mmio: fast mmio at gpa 0xfe000000\n      CPU 0/KVM  699876 [020] 18136.763717:    kvm:kvm_entry: vcpu 0\n',
      { EPT_MISCONFIG: { count: 1, timeUs: 10 } },
      'devnotify',
    ],
    [
      'perf-script',
      'qemu  12/345 [001] 1.000001:   1 kvm:kvm_exit: vcpu 3 reason HLT rip 0x0 info1 0x0 info2 0x0 intr_info 0x0 error_code 0x0\n',
      { HLT: { count: 1 } },
      'hlt',
    ],
    [
      'perf-script',
      'CPU 0/KVM  12 18136.763705: kvm:kvm_exit: reason HLT rip 0x1 info 0 0\nCPU 1/KVM  13/14 18136.763706:    1   kvm:kvm_entry: vcpu 1\n  CPU 0/KVM  12 18136.763725: kvm:kvm_entry: vcpu 0\n',
      { HLT: { count: 1, timeUs: 20 } },
      'hlt',
    ],
    [
      'ftrace',
      ' kvm-12 [000] d..1 1.000001: kvm_exit: reason HLT rip 0x1 info 0 0\n kvm-13 [000] d..1 1.000002: kvm_entry: vcpu 1\n kvm-12 [000] d..1 1.000021: kvm_entry: vcpu 0\n',
      { HLT: { count: 1, timeUs: 20 } },
      'hlt',
    ],
    [
      'trace-cmd',
      'cpus=4\n qemu-system-x86-31218 [000] 159269.806542: kvm_exit:             reason EPT_MISCONFIG rip 0x133025 info 0 0\n',
      { EPT_MISCONFIG: { count: 1 } },
      'devnotify',
    ],
    [
      'trace-cmd',
      ' kvm-12 [000] 1.806542: kvm_exit: CAN\'T FIND FIELD "rip"<CANT FIND FIELD exit_code>vcpu 0 reason npf rip 0x1\n kvm-12 [000] 1.806543: kvm_exit: reason EXIT_NPF rip 0x1 info 1 2\n',
      { npf: { count: 2 } },
      'ept',
    ],
    [
      'ftrace',
      '           <...>-35787 [038] ....  2825.959082: kvm_exit: vcpu 1 reason npf rip 0xfd11d info 100000014 fd000\n',
      { npf: { count: 1 } },
      'ept',
    ],
    [
      'ftrace',
      '# tracer: nop\nqemu-9 (    9) [000] d..1. 1.000001: kvm_exit: reason EPT_VIOLATION FAILED_VMENTRY rip 0x1 info 0 0\nCPU:0 [LOST 31 EVENTS]\n',
      { EPT_VIOLATION: { count: 1 } },
      'ept',
    ],
    [
      'ftrace',
      ' kvm-77  [000] .... 5.000001: kvm_exit: TRAP: HSR_EC: 0x0024 (DABT_LOW), PC: 0x0000ffff\n',
      { DABT_LOW: { count: 1 } },
      'ept',
    ],
    [
      'ftrace',
      ' kvm-77  [000] .... 5.000001: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x0000ffff\n',
      { IRQ: { count: 1 } },
      'host-interrupt',
    ],
  ])('%s: %s', async (format, text, reasons, kind) => {
    const recording = await imported(text);
    expect(recording.format).toBe(format);
    expect(Object.fromEntries(recording.reasons)).toEqual(reasons);
    expect([...recording.kinds.keys()]).toEqual([kind]);
    expect(recording.lost).toBe(text.includes('LOST') ? 31 : 0);
  });

  it('counts losses in every wording, and says where their number is not known', async () => {
    const exit = ' kvm-12 [000] 1.806542: kvm_exit: reason HLT rip 0x1 info 0 0\n';
    const lostOf = async (...lines: string[]) => {
      const { lost, skipped, warnings } = await imported(`cpus=4\n${exit}${lines.join('\n')}\n`);
      return [lost, skipped, warnings.join(' ')];
    };
    expect(await lostOf('CPU:3 [12 EVENTS DROPPED]', 'CPU:1 [LOST 31 EVENTS]')).toEqual([43, 0, '']);
    expect(await lostOf('CPU:0 [EVENTS DROPPED]', 'CPU:1 [LOST EVENTS]', 'CPU:1 [5 EVENTS DROPPED]')).toEqual([
      7,
      0,
      'Events were lost 2 times without their number being recorded: at least one each is counted.',
    ]);
  });

  it('takes a time stamp that no clock shows for damage', async () => {
    const recording = await imported(
      ` kvm-12 [000] 1.8: kvm_exit: reason HLT rip 0x1\n kvm-12 [000] ${'9'.repeat(400)}.5: kvm_entry: vcpu 0\n`,
      { format: 'trace-cmd' },
    );
    expect([recording.skipped, recording.windowSeconds, counts(recording)]).toEqual([1, undefined, { HLT: 1 }]);
  });

  const line = (second: number, payload: string, thread = 5) =>
    ` kvm-${thread} [000] .... ${second.toFixed(6)}: ${payload}\n`;

  it('splits MSR writes into timer, IPI and EOI, each thread on its own', async () => {
    const text = [0x6e0, 0x830, 0x80b, 0x48]
      .map((_msr, index) => line(index, 'kvm_exit: reason MSR_WRITE rip 0x1 info 0 0', 5 + index))
      .concat(
        [0x6e0, 0x830, 0x80b, 0x48].map((msr, index) =>
          line(4 + index, `kvm_msr: msr_write ${msr.toString(16)} = 0x1`, 5 + index),
        ),
      )
      .concat(line(9, 'kvm_exit: reason MSR_WRITE rip 0x1 info 0 0', 99));
    const recording = await imported(text.join(''));
    expect(Object.fromEntries(recording.kinds)).toEqual({ timer: 1, ipi: 1, eoi: 1, msr: 1 });
    expect([recording.unknownMsrs, recording.total, recording.threads]).toEqual([1, 5, 5]);
  });

  it('tells writes of the local APIC apart by the register', async () => {
    const registers = { APIC_ICR: 'ipi', APIC_EOI: 'eoi', APIC_TMICT: 'timer' };
    for (const reason of ['APIC_ACCESS', 'APIC_WRITE', 'MSR_WRITE', 'npf'])
      for (const [register, kind] of Object.entries(registers)) {
        const text =
          line(1, `kvm_exit: reason ${reason} rip 0x1 info 0 0`) + line(2, `kvm_apic: apic_write ${register} = 0x1`);
        expect(Object.fromEntries((await imported(text)).kinds)).toEqual({ [kind]: 1 });
      }
  });

  it('measures how nested guests exit: reflected or not, and accesses per reflection', async () => {
    const nested = (at: number, inject: boolean) => [
      line(at, 'kvm_exit: reason CPUID rip 0x1 info 0 0'),
      line(
        at + 0.1,
        'kvm_nested_vmexit: rip: 0x1 reason: CPUID ext_inf1: 0x0 ext_inf2: 0x0 ext_int: 0x0 ext_int_err: 0x0',
      ),
      ...(inject
        ? [line(at + 0.2, 'kvm_nested_vmexit_inject: reason CPUID info1 0 info2 0 int_info 0 int_info_err 0')]
        : []),
      line(at + 0.3, 'kvm_entry: vcpu 0'),
      line(at + 0.4, 'kvm_exit: reason VMREAD rip 0x1 info 0 0'),
      line(at + 0.5, 'kvm_entry: vcpu 0'),
    ];
    const recording = await imported([...nested(1, true), ...nested(2, false)].join(''));
    expect(recording.nested).toEqual({ exits: 2, reflected: 1, accessesPerReflected: 2 });
  });

  it('is read the same whole, without its last newline, and with CR LF', async () => {
    const text = line(1, 'kvm_exit: reason HLT rip 0x1 info 0 0') + line(2, 'kvm_entry: vcpu 0');
    const whole = await imported(text);
    for (const variant of [text.trimEnd(), text.replaceAll('\n', '\r\n')]) {
      const recording = await imported(variant);
      expect([recording.reasons, recording.lines]).toEqual([whole.reasons, 2]);
    }
  });

  it('never fails but in a sentence, wherever a byte is damaged or the text ends', async () => {
    const text =
      line(1, 'kvm_exit: vcpu 0 reason MSR_WRITE rip 0x1 info1 0x0') +
      line(2, 'kvm_msr: msr_write 6e0 = 0x1') +
      line(3, 'kvm_entry: vcpu 0');
    for (let end = 0; end < text.length; end++)
      await imported(text.slice(0, end), { format: 'ftrace' }).catch((error) =>
        expect(error).toBeInstanceOf(StrataError),
      );
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.nat(255), async (at, value) => {
        const bytes = Buffer.from(text);
        bytes[at] = value;
        const recording = await imported(bytes, { format: 'trace-cmd' });
        expect(recording.total).toBeLessThanOrEqual(1);
        expect([...recording.kinds.values()].reduce((sum, count) => sum + count, 0) + recording.unknownMsrs).toBe(
          recording.total,
        );
      }),
      { numRuns: 200 },
    );
  });

  it('never fails but in a sentence on anything at all, in any format', async () => {
    const formats = ['perf-kvm-stat', 'perf-script', 'kvm-stat', 'perf-stat', 'csv'] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, unit: 'binary' }),
        fc.constantFrom(undefined, ...formats),
        async (text, format) => {
          await imported(text, format === undefined ? {} : { format }).catch((error) =>
            expect(error).toBeInstanceOf(StrataError),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keeps its memory bounded on a line without end', async () => {
    const recording = await imported(
      `${line(1, 'kvm_exit: reason HLT rip 0x1 info 0 0')}${'x'.repeat(3_000_000)}\n${line(2, 'kvm_entry: vcpu 0')}`,
    );
    expect([recording.total, recording.lines, recording.skipped]).toEqual([1, 3, 1]);
  });
});

describe('reports of counters', () => {
  it('kvm_stat in its three forms', async () => {
    const batch = `${'kvm_exit'.padEnd(42)}      5000       150\n${'kvm_exit(EPT_MISCONFIG)'.padEnd(42)}      4000       100\n${'kvm_exit(HLT)'.padEnd(42)}      1000        50\n`;
    expect(counts(await imported(batch))).toEqual({ EPT_MISCONFIG: 100, HLT: 50 });
    const log = `${' kvm_exit kvm_exit(HLT)\n'.trimStart()}       300        200\n       100         50\n`;
    const logged = await imported(log);
    expect([counts(logged), logged.windowSeconds, logged.total]).toEqual([{ HLT: 250, other: 150 }, 2, 400]);
    const csv = 'timestamp,"kvm_exit","kvm_exit(CPUID)"\n2026-01-01 00:00:01,7,5\n2026-01-01 00:00:02,3,1\n';
    expect(counts(await imported(csv))).toEqual({ CPUID: 6, other: 4 });
    const debugfs = `${'exits'.padEnd(42)}      5000       150\n${'halt_exits'.padEnd(42)}      4000       100\n`;
    expect(Object.fromEntries((await imported(debugfs)).kinds)).toEqual({ hlt: 100, other: 50 });
  });
  it('says which reasons it does not know', async () => {
    const { kinds, warnings } = await imported('reason,count\nHC_WRMSR,20\nHLT,30\n');
    expect(Object.fromEntries(kinds)).toEqual({ hlt: 30, other: 20 });
    expect(warnings).toEqual(['20 exits count as other: no reason of Intel, AMD or Arm is named HC_WRMSR.']);
  });
  it('perf stat, printed and as CSV', async () => {
    const printed =
      " Performance counter stats for 'system wide':\n\n           307,804      kvm:kvm_exit\n            40,315      kvm:kvm_msr     # 1.2 K/sec\n            36,969      kvm:kvm_apic_ipi\n            66,535      kvm:kvm_inj_virq\n\n      10.003 seconds time elapsed\n";
    const recording = await imported(printed);
    expect([
      recording.format,
      recording.total,
      recording.unknownMsrs,
      recording.interrupts,
      recording.windowSeconds,
    ]).toEqual(['perf-stat', 307_804, 40_315 - 36_969, 66_535, 10.003]);
    // x2APIC: the writes of the ICR are among the writes of MSRs.
    expect(Object.fromEntries(recording.kinds)).toEqual({ ipi: 36_969, other: 307_804 - 40_315 });
    expect(counts(recording)).toEqual({ MSR_WRITE: 40_315, other: 307_804 - 40_315 });
    const xapic = await imported(
      '100,,kvm:kvm_exit,1,100.00\n10,,kvm:kvm_msr,1,100.00\n40,,kvm:kvm_apic_ipi,1,100.00\n',
    );
    expect([Object.fromEntries(xapic.kinds), xapic.unknownMsrs]).toEqual([{ ipi: 40, other: 50 }, 10]);
    const twice = await imported(
      '50,,kvm:kvm_exit,1,100.00\n40,,kvm:kvm_page_fault,1,100.00\n30,,kvm:kvm_mmio,1,100.00\n',
    );
    expect(twice.warnings.some((sentence) => /add up to 70 exits, kvm_exit counted 50/.test(sentence))).toBe(true);
    const csv = await imported('307804,,kvm:kvm_exit,1000,100.00,,\n40315,,kvm:kvm_msr,1000,100.00,,\n');
    expect([csv.total, csv.unknownMsrs]).toEqual([307_804, 40_315]);
  });
  it.each([
    [
      'intervals',
      '     1.000100123              3,078      kvm:kvm_exit\n     2.000100123              4,000      kvm:kvm_exit\n',
      7_078,
      2.000100123,
    ],
    [
      'intervals, one blank grouping thousands',
      '     1.000100123          1 003 078      kvm:kvm_exit\n',
      1_003_078,
      1.000100123,
    ],
    [
      'intervals, separated',
      '1.0001,3078,,kvm:kvm_exit,1,100.00,,\n2.0001,4000,,kvm:kvm_exit,1,100.00,,\n',
      7_078,
      2.0001,
    ],
    [
      'processors',
      'CPU0              3,078      kvm:kvm_exit\nCPU1              4,000      kvm:kvm_exit\n',
      7_078,
      undefined,
    ],
    ['semicolons', '3078;;kvm:kvm_exit;1;100.00;;\n', 3_078, undefined],
    ['tabs', '3078\t\tkvm:kvm_exit\t1\t100.00\n', 3_078, undefined],
    ['no-break spaces', '         3\u202f078      kvm:kvm_exit\n', 3_078, undefined],
  ])('perf stat with %s', async (_, text, total, seconds) => {
    const recording = await imported(text);
    expect([recording.format, recording.total, recording.windowSeconds, recording.skipped]).toEqual([
      'perf-stat',
      total,
      seconds,
      0,
    ]);
  });
  it('perf stat without kvm_exit says that exits were not counted', async () => {
    const recording = await imported('  <not supported>      kvm:kvm_exit\n      5      kvm:kvm_msr\n');
    expect(recording.warnings.some((sentence) => /kvm_exit was not counted/.test(sentence))).toBe(true);
  });
  it('CSV with reasons of any kind, fractions, times, window and operations', async () => {
    const recording = await imported(
      'reason,count,total_ns,vcpu,window_s,ops\nEPT_MISCONFIG,30,90000,0,10,100\n48,2.5,,0,10,100\ntimer,20,,0,10,100\n',
    );
    expect(Object.fromEntries(recording.reasons)).toEqual({
      EPT_MISCONFIG: { count: 30, timeUs: 90 },
      EPT_VIOLATION: { count: 2.5 },
      timer: { count: 20 },
    });
    expect(Object.fromEntries(recording.kinds)).toEqual({ devnotify: 30, ept: 2.5, timer: 20 });
    expect([recording.windowSeconds, recording.operations, recording.total]).toEqual([10, 100, 52.5]);
    await expect(imported('reason,count\nHLT,-3\n')).rejects.toThrow(/line 2/);
    await expect(imported('reason,count\nHLT,many\n')).rejects.toThrow(/HLT,many/);
  });
});

describe('an interrupted import', () => {
  const line = ' qemu-1 [000] 1.0: kvm_exit: reason HLT rip 0x1 info 0 0\n';
  const path = join(folder, 'long.txt');

  it('counts what was read where that is wanted, and says so', async () => {
    writeFileSync(path, line.repeat(200_000));
    const control = new AbortController();
    const onProgress = () => control.abort(new Error('stop'));
    const recording = await importExits(path, { signal: control.signal, partial: true, onProgress });
    expect(recording.interrupted).toBe(true);
    expect(recording.total).toBeGreaterThan(0);
    expect(recording.total).toBeLessThan(200_000);
    expect(recording.warnings.at(-1)).toMatch(/^Interrupted/);
  });

  it('is no result for those who need the whole, nor before anything was read', async () => {
    const control = new AbortController();
    await expect(
      importExits(path, { signal: control.signal, onProgress: () => control.abort(new Error('stop')) }),
    ).rejects.toThrow('stop');
    await expect(
      importExits(path, { signal: AbortSignal.abort(new Error('at once')), partial: true }),
    ).rejects.toThrow();
  });
});

describe('what is no recording', () => {
  it('gets a sentence', async () => {
    await expect(imported('root:x:0:0:root:/root:/bin/bash\n')).rejects.toThrow(/no recording of exits/);
    await expect(imported('nothing here\n', { format: 'ftrace' })).rejects.toThrow(/no event could be read/);
    await expect(importExits(join(folder, 'absent'))).rejects.toThrow(/no such file/);
    await expect(imported('')).rejects.toThrow(/empty/);
    expect(recognise(Buffer.from('cpuid 1200\nvmcall 1300\n'))).toBeUndefined();
  });
});
