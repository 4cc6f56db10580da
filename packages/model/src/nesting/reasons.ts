/** Whose name a reason is. */
export const vendors = ['intel', 'amd', 'arm'] as const;
export type Vendor = (typeof vendors)[number];

export interface ExitReason {
  /** As the kernel prints it. */
  readonly name: string;
  readonly vendor: Vendor;
  /** Hardware code, where reasons are also reported by number. */
  readonly code?: number;
  /** Exit kind of a profile. */
  readonly kind: string;
  /** The name covers several kinds: only a second event (an MSR number, an MMIO record) tells them apart. */
  readonly mixed?: 'msr' | 'mmio';
}

type Row = readonly [name: string, code: number, kind: string, mixed?: 'msr' | 'mmio'];

const intel: readonly Row[] = [
  ['EXCEPTION_NMI', 0, 'exception'],
  ['EXTERNAL_INTERRUPT', 1, 'host-interrupt'],
  ['TRIPLE_FAULT', 2, 'other'],
  ['PENDING_INTERRUPT', 7, 'irq-window'],
  ['INTERRUPT_WINDOW', 7, 'irq-window'],
  ['NMI_WINDOW', 8, 'irq-window'],
  ['TASK_SWITCH', 9, 'other'],
  ['CPUID', 10, 'cpuid'],
  ['HLT', 12, 'hlt'],
  ['INVD', 13, 'other'],
  ['INVLPG', 14, 'other'],
  ['RDPMC', 15, 'other'],
  ['RDTSC', 16, 'other'],
  ['VMCALL', 18, 'hypercall'],
  ['VMCLEAR', 19, 'vmptrld'],
  ['VMLAUNCH', 20, 'other'],
  ['VMPTRLD', 21, 'vmptrld'],
  ['VMPTRST', 22, 'vmptrld'],
  ['VMREAD', 23, 'vmread'],
  ['VMRESUME', 24, 'other'],
  ['VMWRITE', 25, 'vmread'],
  ['VMOFF', 26, 'other'],
  ['VMON', 27, 'other'],
  ['CR_ACCESS', 28, 'cr'],
  ['DR_ACCESS', 29, 'other'],
  ['IO_INSTRUCTION', 30, 'pio'],
  ['MSR_READ', 31, 'msr'],
  ['MSR_WRITE', 32, 'msr', 'msr'],
  ['INVALID_STATE', 33, 'other'],
  ['MWAIT_INSTRUCTION', 36, 'mwait'],
  ['MONITOR_TRAP_FLAG', 37, 'other'],
  ['MONITOR_INSTRUCTION', 39, 'other'],
  ['PAUSE_INSTRUCTION', 40, 'pause'],
  ['MCE_DURING_VMENTRY', 41, 'other'],
  ['TPR_BELOW_THRESHOLD', 43, 'tpr'],
  ['APIC_ACCESS', 44, 'ipi'],
  ['EOI_INDUCED', 45, 'eoi'],
  ['GDTR_IDTR', 46, 'other'],
  ['LDTR_TR', 47, 'other'],
  ['EPT_VIOLATION', 48, 'ept', 'mmio'],
  ['EPT_MISCONFIG', 49, 'devnotify'],
  ['INVEPT', 50, 'invept'],
  ['RDTSCP', 51, 'other'],
  ['PREEMPTION_TIMER', 52, 'preemption-timer'],
  ['INVVPID', 53, 'invept'],
  ['WBINVD', 54, 'other'],
  ['XSETBV', 55, 'other'],
  ['APIC_WRITE', 56, 'ipi'],
  ['RDRAND', 57, 'other'],
  ['INVPCID', 58, 'other'],
  ['VMFUNC', 59, 'other'],
  ['ENCLS', 60, 'other'],
  ['RDSEED', 61, 'other'],
  ['PML_FULL', 62, 'other'],
  ['XSAVES', 63, 'other'],
  ['XRSTORS', 64, 'other'],
  ['UMWAIT', 67, 'mwait'],
  ['TPAUSE', 68, 'pause'],
  ['BUS_LOCK', 74, 'other'],
  ['NOTIFY', 75, 'other'],
];

const amd: readonly Row[] = [
  ['read_cr0', 0x000, 'cr'],
  ['read_cr2', 0x002, 'cr'],
  ['read_cr3', 0x003, 'cr'],
  ['read_cr4', 0x004, 'cr'],
  ['read_cr8', 0x008, 'tpr'],
  ['write_cr0', 0x010, 'cr'],
  ['write_cr3', 0x013, 'cr'],
  ['write_cr4', 0x014, 'cr'],
  ['write_cr8', 0x018, 'tpr'],
  ['cr0_sel_write', 0x065, 'cr'],
  ['interrupt', 0x060, 'host-interrupt'],
  ['nmi', 0x061, 'host-interrupt'],
  ['smi', 0x062, 'host-interrupt'],
  ['vintr', 0x064, 'irq-window'],
  ['cpuid', 0x072, 'cpuid'],
  ['iret', 0x074, 'irq-window'],
  ['pause', 0x077, 'pause'],
  ['hlt', 0x078, 'hlt'],
  ['io', 0x07b, 'pio'],
  ['msr', 0x07c, 'msr', 'msr'],
  ['shutdown', 0x07f, 'other'],
  ['vmrun', 0x080, 'other'],
  ['hypercall', 0x081, 'hypercall'],
  ['vmload', 0x082, 'vmload'],
  ['vmsave', 0x083, 'vmsave'],
  ['stgi', 0x084, 'stgi'],
  ['clgi', 0x085, 'clgi'],
  ['monitor', 0x08a, 'other'],
  ['mwait', 0x08b, 'mwait'],
  ['idle-halt', 0x0a6, 'hlt'],
  ['npf', 0x400, 'ept', 'mmio'],
  ['avic_incomplete_ipi', 0x401, 'ipi'],
  ['avic_unaccelerated_access', 0x402, 'eoi'],
];

const arm: readonly Row[] = [
  ['WFx', 0x01, 'hlt'],
  ['HVC64', 0x16, 'hypercall'],
  ['SMC64', 0x17, 'hypercall'],
  ['SYS64', 0x18, 'msr', 'msr'],
  ['ERET', 0x1a, 'other'],
  ['IABT_LOW', 0x20, 'ept'],
  ['DABT_LOW', 0x24, 'ept', 'mmio'],
];

const rows = (vendor: Vendor, list: readonly Row[]): ExitReason[] =>
  list.map(([name, code, kind, mixed]) => ({ name, vendor, code, kind, ...(mixed && { mixed }) }));

/** Exit reasons as Linux prints them (specification section 5.5). Codes of AMD above 0x40 are SVM's, of Arm exception classes. */
export const exitReasons: readonly ExitReason[] = [
  ...rows('intel', intel),
  ...rows('amd', amd),
  ...rows('arm', arm),
  { name: 'IRQ', vendor: 'arm', kind: 'host-interrupt' },
  { name: 'TRAP', vendor: 'arm', kind: 'other' },
];

const byName = new Map(exitReasons.map((reason) => [reason.name, reason]));
const byLowerName = new Map([...exitReasons].reverse().map((reason) => [reason.name.toLowerCase(), reason]));
const intelByCode = new Map([...intel].reverse().map(([name, code]) => [code, name]));

/** trace-cmd and AMD's manual name some exits of SVM otherwise than the kernel's tables. */
const amdAliases: ReadonlyMap<string, string> = new Map([
  ['intr', 'interrupt'],
  ['ioio', 'io'],
  ['vmmcall', 'hypercall'],
  ['mwait_cond', 'mwait'],
  ['idle_hlt', 'idle-halt'],
]);

/** The kernel's name of a reason: without the flags that may follow it, without trace-cmd's `EXIT_`, numbers of VMX named. */
export function reasonName(printed: string): string {
  const text = printed.replace(/\s+FAILED_VMENTRY$/i, '').trim();
  if (byName.has(text)) return text;
  const bare = text.replace(/^(EXIT_REASON_|EXIT_)/, '');
  if (/^\d+$/.test(bare)) return intelByCode.get(Number(bare)) ?? text;
  if (text.startsWith('EXIT_REASON_')) return bare;
  const lower = bare.toLowerCase();
  const name = amdAliases.get(lower) ?? lower;
  return byName.get(name)?.name ?? byLowerName.get(name)?.name ?? (bare === text ? text : name);
}

/** What is known of a reason by its kernel name. AMD's `PF excp` and Arm's rarer classes fall under general kinds. */
export function reasonNamed(name: string): ExitReason | undefined {
  const known = byName.get(name);
  if (known !== undefined) return known;
  if (/ excp$|BRK64|SVE|FP_ASIMD|SOFTSTP|BKPT/.test(name))
    return { name, vendor: / excp$/.test(name) ? 'amd' : 'arm', kind: 'exception' };
  if (/^(read|write)_dr/.test(name)) return { name, vendor: 'amd', kind: 'other' };
  return undefined;
}

/** What the write of an MSR is for: the TSC-deadline timer, an inter-processor interrupt, an end of interrupt, anything else. */
export function kindOfMsrWrite(msr: number): string {
  if (msr === 0x6e0 || msr === 0x838) return 'timer';
  if (msr === 0x830 || msr === 0x83f) return 'ipi';
  return msr === 0x80b ? 'eoi' : 'msr';
}

/** What the write of a register of the local APIC is for, by its offset in the page of xAPIC. */
export function kindOfApicWrite(offset: number): string {
  // x2APIC has the same registers as MSRs from 0x800 on, one for each 16 bytes; the timer's vector belongs to arming it.
  if (offset === 0x320) return 'timer';
  if (offset === 0x80) return 'tpr';
  const kind = kindOfMsrWrite(0x800 + (offset >> 4));
  return kind === 'msr' ? 'other' : kind;
}
