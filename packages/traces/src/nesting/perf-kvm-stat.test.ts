import { describe, expect, it } from 'vitest';
import { counts, imported } from './importing.case.ts';

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
