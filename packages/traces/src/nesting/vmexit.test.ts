import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readVmexit, runsByKind } from './vmexit.ts';

const kinds = (text: string, clockGHz?: number) =>
  Object.fromEntries(
    [...runsByKind(readVmexit(text, 'vmexit.txt', clockGHz))].map(([kind, { cycles }]) => [kind, cycles]),
  );

describe('results of kvm-unit-tests', () => {
  it('are read as upstream prints them, among what else it prints', () => {
    const text = `BUILD_HEAD=d4fba74a
timeout -k 1s --foreground 90s /usr/bin/qemu-system-x86_64 -nodefaults -kernel x86/vmexit.flat # -initrd /tmp/x
enabling apic
smp: waiting for 1 APs
pci-testdev at 0x10 membar febff000 iobar c000
cpuid 1210
vmcall 1140
mov_from_cr8 6
tscdeadline_immed 1650
  ipi tscdeadline_immed 3
  eoi tscdeadline_immed 1
ipi 3200
wr_tsx_ctrl_msr (skipped)
pci-mem 5000
PASS vmexit\r
`;
    expect(kinds(text)).toEqual({ hypercall: 1140, cpuid: 1210, timer: 1650, ipi: 3200, devnotify: 5000 });
  });

  it('are read behind the time stamps of a console, with a colon, and as the DVH fork prints them', () => {
    expect(kinds('[    1.204455] vmcall 1500\n[    1.3] cpuid 1600\n')).toEqual({ hypercall: 1500, cpuid: 1600 });
    expect(kinds('2026-11-20T10:00:00Z vmcall: 1500\n12:00:01 cpuid 1600 cycles\n')).toEqual({
      hypercall: 1500,
      cpuid: 1600,
    });
    expect(
      kinds(
        'vmcall:\t avg 1600 min 1575 max 9000\nvmcall:\t avg 1610 min 1580 max 9001\ntsc_deadline_write:\t avg 2100\n',
      ),
    ).toEqual({ hypercall: 1575, timer: 2100 });
  });

  it('keep their runs apart: the smallest counts, the largest says how far they are from each other', () => {
    const text = 'vmcall 1500\ncpuid 1700\nvmcall 1530\nvmcall 1490\n';
    expect(Object.fromEntries(runsByKind(readVmexit(text, 'x')))).toEqual({
      hypercall: { cycles: 1490, runs: 3, highest: 1530 },
      cpuid: { cycles: 1700, runs: 1, highest: 1700 },
    });
  });

  it('come from Arm in nanoseconds, and become cycles of a clock', () => {
    const text = `Timer Frequency 62500000 Hz (Output in microseconds)

name                                    total ns                         avg ns
--------------------------------------------------------------------------------------------
hvc                                  27290000.0                          1000.5
mmio_read_user                      212000000.0                          3200.0
mmio_read_vgic                       60000000.0                           900.0
eoi                                    600000.0                             9.0
ipi                                 100000000.0                          1500.0
ipi_hw                           test skipped
timer_10ms                            9000000.0                          9000.0
`;
    expect(kinds(text, 2.4)).toEqual({ hypercall: 2401, ipi: 3600, pio: 2160, 'pio-user': 7680 });
  });

  it('are a sentence where there are none, and never a figure that is none', () => {
    expect(() => readVmexit('PASS\n', 'x')).toThrow(/no result of kvm-unit-tests vmexit/);
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (noise) => {
        const found = readVmexit(`vmcall 1000\n${noise}\n`, 'x');
        for (const cycles of [...found.values()].flat()) expect(cycles > 0 && Number.isSafeInteger(cycles)).toBe(true);
      }),
    );
  });
});
