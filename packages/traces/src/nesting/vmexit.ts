import { StrataError } from '@strata/model/machine';
import { linesOf } from './reports.ts';

/** Cycles by test name, from the output of kvm-unit-tests `vmexit`: one figure per run, in the order of the file. */
export type VmexitResults = ReadonlyMap<string, readonly number[]>;

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
  // Arm's micro-bench.
  hvc: 'hypercall',
  mmio_read_vgic: 'pio',
  mmio_read_user: 'pio-user',
};

/** Arm's micro-bench prints nanoseconds under this heading. */
const armHeading = /^\s*name\s+total ns\s+avg ns/;

/** What a serial console or a log puts before a line: a time, in brackets or not. */
const logPrefix = /^\s*(?:\[[^\]]*\]|\d{4}-\d\d-\d\d[T ][\d:.]+Z?|\d\d:\d\d:\d\d(?:\.\d+)?)\s*/;

/**
 * Lines `name cycles` (upstream), `name: avg A min B max C` (the DVH fork, of which the minimum counts, as its authors report), and the
 * table of Arm's micro-bench in nanoseconds. A name that occurs again is another run.
 * @param clockGHz turns nanoseconds into cycles
 * @throws StrataError `nest.vmexit` when no line is one
 */
export function readVmexit(text: string, where: string, clockGHz = 1): VmexitResults {
  const results = new Map<string, number[]>();
  let isArm = false;
  for (const line of linesOf(text)) {
    const bare = line.replace(logPrefix, '');
    isArm ||= armHeading.test(bare);
    const [name, cycles] = (isArm ? armResult(bare, clockGHz) : x86Result(bare)) ?? [];
    if (name === undefined || cycles === undefined || !(cycles > 0 && cycles <= Number.MAX_SAFE_INTEGER)) continue;
    const runs = results.get(name);
    if (runs === undefined) results.set(name, [cycles]);
    else runs.push(cycles);
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

type Result = readonly [name: string, cycles: number];

function x86Result(line: string): Result | undefined {
  const forked = /^\s*([\w-]+)\s*:\s+avg\s+(\d+)(?:\s+min\s+(\d+))?/.exec(line);
  if (forked !== null) return [forked[1]!, Number(forked[3] ?? forked[2])];
  const upstream = /^\s*([a-z][\w-]*)\s*:?\s+(\d+)(?:\s+cycles)?\s*$/.exec(line);
  return upstream === null ? undefined : [upstream[1]!, Number(upstream[2])];
}

function armResult(line: string, clockGHz: number): Result | undefined {
  const row = /^\s*(\w+)\s+\d+(?:\.\d+)?\s+(\d+(?:\.\d+)?)\s*$/.exec(line);
  return row === null ? undefined : [row[1]!, Math.round(Number(row[2]) * clockGHz)];
}

/** What the runs of one test say. */
export interface RunsOfKind {
  /** The smallest of the runs, as the DVH paper reports. */
  readonly cycles: number;
  readonly runs: number;
  /** The largest of the runs. */
  readonly highest: number;
}

/** Results by kind of the model; the test named first above counts where several stand for one kind. */
export function runsByKind(results: VmexitResults): Map<string, RunsOfKind> {
  const byKind = new Map<string, RunsOfKind>();
  for (const [name, kind] of Object.entries(vmexitKinds)) {
    const runs = results.get(name);
    if (runs === undefined || byKind.has(kind)) continue;
    // A file of any length: no spreading into arguments.
    const cycles = runs.reduce((least, run) => Math.min(least, run));
    const highest = runs.reduce((most, run) => Math.max(most, run));
    byKind.set(kind, { cycles, runs: runs.length, highest });
  }
  return byKind;
}
