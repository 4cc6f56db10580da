import { StrataError } from '@strata/model/machine';
import { linesOf } from './reports.ts';

/** Cycles by test name, from the output of kvm-unit-tests `vmexit`. */
export type VmexitResults = ReadonlyMap<string, number>;

/** Names of upstream's tests as kinds of the model. */
export const vmexitKinds: Readonly<Record<string, string>> = {
  vmcall: 'hypercall',
  cpuid: 'cpuid',
  tscdeadline_immed: 'timer',
  tscdeadline: 'timer',
  tsc_deadline_write: 'timer',
  'ipi-dest-running': 'ipi',
  'ipi-nowait': 'ipi',
  ipi: 'ipi',
  x2apic_self_ipi_sti_nop: 'ipi',
  inl_from_kernel: 'pio',
  inl_from_qemu: 'pio-user',
  inl_from_pmtimer: 'pio-user',
  'pci-mem': 'devnotify',
  devnotify: 'devnotify',
  wr_tsc_adjust_msr: 'msr',
};

/**
 * Lines `name cycles` (upstream) or `name: avg A min B max C` (the DVH fork, of which the minimum counts, as its authors report).
 * A name that occurs again keeps its smallest figure.
 * @throws StrataError `nest.vmexit` when no line is one
 */
export function readVmexit(text: string, where: string): VmexitResults {
  const results = new Map<string, number>();
  for (const line of linesOf(text)) {
    const forked = /^\s*([\w-]+):\s+avg\s+(\d+)\s+min\s+(\d+)/.exec(line);
    const upstream = /^\s*([a-z][\w-]*)\s+(\d+)\s*$/.exec(line);
    const name = forked?.[1] ?? upstream?.[1];
    const cycles = Number(forked?.[3] ?? upstream?.[2]);
    if (name === undefined || !Number.isFinite(cycles) || cycles <= 0) continue;
    results.set(name, Math.min(cycles, results.get(name) ?? Infinity));
  }
  if (![...results.keys()].some((name) => Object.hasOwn(vmexitKinds, name)))
    throw new StrataError({
      code: 'nest.vmexit',
      what: 'no result of kvm-unit-tests vmexit',
      where,
      expected: 'lines such as `vmcall 1575`, or `vmcall: avg 1600 min 1575 max 9000`',
      mend: 'Run x86/vmexit.flat of kvm-unit-tests in the guest and give its output.',
    });
  return results;
}

/** Results by kind of the model; the test named first above counts where several stand for one kind. */
export function cyclesByKind(results: VmexitResults): Map<string, number> {
  const byKind = new Map<string, number>();
  for (const [name, kind] of Object.entries(vmexitKinds)) {
    const cycles = results.get(name);
    if (cycles !== undefined && !byKind.has(kind)) byKind.set(kind, cycles);
  }
  return byKind;
}
