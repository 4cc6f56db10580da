import { describe, expect, it } from 'vitest';
import { checkConditions, isReflected, kvmReflection, parseReflection } from './reflection.ts';

const reflected = (reason: string, ...conditions: string[]) => isReflected(reason, checkConditions(conditions));

describe('the reflection table of KVM 4.18', () => {
  it.each(['CPUID', 'VMCALL', 'VMRESUME', 'APIC_WRITE', 'TRIPLE_FAULT', 'SOME_FUTURE_REASON'])(
    'always reflects %s',
    (reason) => {
      expect(reflected(reason)).toBe(true);
    },
  );
  it.each(['EXTERNAL_INTERRUPT', 'PREEMPTION_TIMER', 'PML_FULL'])('never reflects %s', (reason) => {
    expect(reflected(reason)).toBe(false);
  });
  it('reflects HLT only if the guest hypervisor traps it, which is what virtual idle leaves off', () => {
    expect([reflected('HLT'), reflected('HLT', 'hlt-exiting')]).toEqual([false, true]);
  });
  it('decides on exceptions line by line', () => {
    expect(reflected('EXCEPTION_NMI', 'nmi', 'exception-bitmap')).toBe(false);
    expect(reflected('EXCEPTION_NMI', 'page-fault', 'ept')).toBe(true);
    expect(reflected('EXCEPTION_NMI', 'page-fault', 'ept', 'host-async-page-fault')).toBe(false);
    expect(reflected('EXCEPTION_NMI', 'no-math', 'exception-bitmap')).toBe(false);
    expect(reflected('EXCEPTION_NMI', 'no-math', 'guest-cr0-ts', 'exception-bitmap')).toBe(true);
    expect(reflected('EXCEPTION_NMI', 'debug-exception', 'host-debugs', 'exception-bitmap')).toBe(false);
    expect(reflected('EXCEPTION_NMI', 'exception-bitmap')).toBe(true);
    expect(reflected('EXCEPTION_NMI')).toBe(false);
  });
  it('injects EPT violations only where the table of L1 lacks the page', () => {
    expect([reflected('EPT_VIOLATION'), reflected('EPT_VIOLATION', 'ept12-lacks-mapping')]).toEqual([false, true]);
  });
  it('reflects nothing while the nested entry is pending', () => {
    for (const { reasons } of kvmReflection) expect(reflected(reasons[0]!, 'entry-pending')).toBe(false);
  });
  it('names each reason once', () => {
    const all = kvmReflection.flatMap(({ reasons }) => reasons);
    expect(new Set(all).size).toBe(all.length);
  });
  it('refuses a condition it does not know', () => {
    expect(() => reflected('HLT', 'hlt-exitin')).toThrow(/hlt-exiting/);
  });

  it('can be edited: rules of the user come first, the rest stays', () => {
    const table = parseReflection({ CPUID: 'never', HLT: 'always', PML_FULL: ['my-own-bit'] }, 'mine.yaml');
    const mine = (reason: string, ...conditions: string[]) =>
      isReflected(reason, checkConditions(conditions, table), table);
    expect([mine('CPUID'), mine('HLT'), mine('PML_FULL'), mine('PML_FULL', 'my-own-bit'), mine('VMCALL')]).toEqual([
      false,
      true,
      false,
      true,
      true,
    ]);
    expect(() => parseReflection({ CPUID: 3 }, 'mine.yaml')).toThrow(/mine.yaml: CPUID/);
    expect(() => parseReflection([], 'mine.yaml')).toThrow(/table of reasons/);
  });
});
