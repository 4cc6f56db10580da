import { describe, expect, it } from 'vitest';
import { counts, imported } from './importing.case.ts';

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
