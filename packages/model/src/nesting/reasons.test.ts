import { describe, expect, it } from 'vitest';
import { kindOfApicWrite, kindOfMsrWrite, reasonName, reasonNamed } from './reasons.ts';

describe('names of exit reasons', () => {
  it.each([
    ['EXIT_INTR', 'interrupt', 'host-interrupt'],
    ['EXIT_IOIO', 'io', 'pio'],
    ['EXIT_VMMCALL', 'hypercall', 'hypercall'],
    ['EXIT_NPF', 'npf', 'ept'],
    ['EXIT_MSR', 'msr', 'msr'],
    ['EXIT_CPUID', 'cpuid', 'cpuid'],
    ['EXIT_HLT', 'hlt', 'hlt'],
    ['EXIT_VINTR', 'vintr', 'irq-window'],
    ['EXIT_CR0_SEL_WRITE', 'cr0_sel_write', 'cr'],
    ['EXIT_WRITE_CR8', 'write_cr8', 'tpr'],
    ['EXIT_MWAIT_COND', 'mwait', 'mwait'],
    ['EXIT_SHUTDOWN', 'shutdown', 'other'],
  ])('%s of trace-cmd is %s of the kernel', (printed, name, kind) => {
    expect([reasonName(printed), reasonNamed(reasonName(printed))?.kind]).toEqual([name, kind]);
  });

  it('come out the same from trace-cmd and from the kernel, known or not', () => {
    for (const name of ['read_dr0', 'swint', 'rdtsc', 'wbinvd', 'invlpga', 'task_switch', 'interrupt', 'io', 'npf'])
      expect(reasonName(`EXIT_${name.toUpperCase()}`)).toBe(reasonName(name));
  });

  it('keep those of Intel and Arm', () => {
    for (const name of ['EPT_MISCONFIG', 'HLT', 'CPUID', 'RDTSC', 'WFx', 'DABT_LOW', 'PF excp'])
      expect(reasonName(name)).toBe(name);
    expect([reasonName('EXIT_REASON_HLT'), reasonName('48')]).toEqual(['HLT', 'EPT_VIOLATION']);
  });
});

it('writes of the local APIC mean the same by address and by MSR', () => {
  for (const msr of [0x830, 0x838, 0x80b]) expect(kindOfApicWrite((msr - 0x800) * 16)).toBe(kindOfMsrWrite(msr));
  expect([kindOfApicWrite(0x310), kindOfApicWrite(0x80), kindOfApicWrite(0x320)]).toEqual(['other', 'tpr', 'timer']);
});
