import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counts, imported } from './importing.case.ts';

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
