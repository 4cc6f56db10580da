import { StrataError, suggestion } from '../machine/errors.ts';

/**
 * One line of a decision: taken when all its conditions hold. A condition is a control of vmcs12 or a fact of the exit, `!` before it its
 * absence. Lines are tried in order; the last has none.
 */
export interface ReflectionLine {
  readonly when: readonly string[];
  readonly reflect: boolean;
}

export interface ReflectionRule {
  readonly reasons: readonly string[];
  readonly lines: readonly ReflectionLine[];
  readonly note?: string;
}

const always: readonly ReflectionLine[] = [{ when: [], reflect: true }];
const never: readonly ReflectionLine[] = [{ when: [], reflect: false }];
const iff = (...controls: readonly string[]): readonly ReflectionLine[] => [
  ...controls.map((control) => ({ when: [control], reflect: true })),
  { when: [], reflect: false },
];

/** What L0 does with an exit of a nested guest: KVM 4.18, `nested_vmx_exit_reflected` (specification section 3.2). Data: copy and edit. */
export const kvmReflection: readonly ReflectionRule[] = [
  {
    reasons: ['EXCEPTION_NMI'],
    lines: [
      { when: ['nmi'], reflect: false },
      { when: ['page-fault', 'ept', '!host-async-page-fault'], reflect: true },
      { when: ['page-fault'], reflect: false },
      { when: ['no-math', '!guest-cr0-ts'], reflect: false },
      { when: ['debug-exception', 'host-debugs'], reflect: false },
      ...iff('exception-bitmap'),
    ],
  },
  {
    reasons: ['EXTERNAL_INTERRUPT'],
    lines: never,
    note: 'A host interrupt. Virtual interrupts for L1 become an emulated exit from L2 to L1 if vmcs12 intercepts interrupts.',
  },
  { reasons: ['TRIPLE_FAULT', 'TASK_SWITCH', 'CPUID', 'INVD', 'XSETBV', 'INVALID_STATE'], lines: always },
  {
    reasons: [
      'VMCALL',
      'VMREAD',
      'VMWRITE',
      'VMRESUME',
      'VMLAUNCH',
      'VMPTRLD',
      'VMPTRST',
      'VMCLEAR',
      'VMON',
      'VMOFF',
      'INVEPT',
      'INVVPID',
    ],
    lines: always,
    note: 'This is what permits a third level.',
  },
  { reasons: ['HLT'], lines: iff('hlt-exiting'), note: 'Virtual idle: the guest hypervisor leaves the control off.' },
  { reasons: ['MWAIT_INSTRUCTION'], lines: iff('mwait-exiting') },
  { reasons: ['MONITOR_INSTRUCTION'], lines: iff('monitor-exiting') },
  { reasons: ['INVLPG'], lines: iff('invlpg-exiting') },
  { reasons: ['RDPMC'], lines: iff('rdpmc-exiting') },
  { reasons: ['RDTSC', 'RDTSCP'], lines: iff('rdtsc-exiting') },
  { reasons: ['DR_ACCESS'], lines: iff('mov-dr-exiting') },
  { reasons: ['MONITOR_TRAP_FLAG'], lines: iff('monitor-trap-flag') },
  { reasons: ['PENDING_INTERRUPT', 'INTERRUPT_WINDOW'], lines: iff('interrupt-window-exiting') },
  { reasons: ['NMI_WINDOW'], lines: iff('nmi-window-exiting') },
  {
    reasons: ['CR_ACCESS'],
    lines: iff('cr-intercepted'),
    note: 'Per masks, shadows, CR3 targets and CR8 controls of vmcs12.',
  },
  {
    reasons: ['IO_INSTRUCTION'],
    lines: iff('io-bitmap'),
    note: 'Hardware always exits: L0 forces unconditional I/O exiting.',
  },
  { reasons: ['MSR_READ', 'MSR_WRITE'], lines: iff('msr-bitmap') },
  { reasons: ['PAUSE_INSTRUCTION'], lines: iff('pause-exiting', 'pause-loop-exiting') },
  { reasons: ['TPR_BELOW_THRESHOLD'], lines: iff('tpr-shadow') },
  { reasons: ['APIC_ACCESS', 'APIC_WRITE', 'EOI_INDUCED'], lines: always },
  {
    reasons: ['EPT_VIOLATION'],
    lines: iff('ept12-lacks-mapping'),
    note: 'Never reflected as such: L0 walks the table of L1; where that lacks or denies the page, L0 injects the exit, else it mends its merged table alone.',
  },
  {
    reasons: ['EPT_MISCONFIG'],
    lines: iff('ept12-reserved-bits'),
    note: 'Never reflected as such: the walk finds the MMIO marker of L1 and L0 injects the exit.',
  },
  { reasons: ['INVPCID'], lines: iff('invpcid-exiting') },
  { reasons: ['WBINVD'], lines: iff('wbinvd-exiting') },
  { reasons: ['XSAVES', 'XRSTORS'], lines: iff('xsaves-exiting') },
  { reasons: ['GDTR_IDTR', 'LDTR_TR'], lines: iff('descriptor-table-exiting') },
  { reasons: ['RDRAND', 'RDSEED'], lines: iff('random-exiting') },
  { reasons: ['PREEMPTION_TIMER', 'PML_FULL', 'VMFUNC', 'MCE_DURING_VMENTRY'], lines: never },
];

/**
 * Whether the exit goes to the guest hypervisor. Unknown reasons always do; none does while the nested entry is still pending.
 * @param conditions controls set in vmcs12 and facts of the exit, by the names of the table
 */
export function isReflected(
  reason: string,
  conditions: ReadonlySet<string>,
  table: readonly ReflectionRule[] = kvmReflection,
): boolean {
  if (conditions.has('entry-pending')) return false;
  const rule = table.find(({ reasons }) => reasons.includes(reason));
  if (rule === undefined) return true;
  const holds = (condition: string) =>
    condition.startsWith('!') ? !conditions.has(condition.slice(1)) : conditions.has(condition);
  return rule.lines.find(({ when }) => when.every(holds))?.reflect ?? true;
}

/** Every condition that the table knows. */
export function conditionsOf(table: readonly ReflectionRule[] = kvmReflection): string[] {
  const names = table.flatMap(({ lines }) => lines.flatMap(({ when }) => when.map((name) => name.replace('!', ''))));
  return [...new Set(['entry-pending', ...names])];
}

/** @throws StrataError `nest.unknown-condition` */
export function checkConditions(
  conditions: Iterable<string>,
  table: readonly ReflectionRule[] = kvmReflection,
): Set<string> {
  const known = conditionsOf(table);
  for (const condition of conditions)
    if (!known.includes(condition))
      throw new StrataError({
        code: 'nest.unknown-condition',
        what: `unknown condition ${condition}`,
        mend: suggestion(condition, known),
      });
  return new Set(conditions);
}

/**
 * A table of the user on top of another: `HLT: never`, `CPUID: always`, `RDTSC: [rdtsc-exiting]` (reflected if any of these holds).
 * @throws StrataError `nest.reflection`
 */
export function parseReflection(
  given: unknown,
  where: string,
  base: readonly ReflectionRule[] = kvmReflection,
): readonly ReflectionRule[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw badRule(where, 'not a table of reasons', JSON.stringify(given));
  const own = Object.entries(given).map(([reason, rule]): ReflectionRule => {
    const lines = linesFrom(rule);
    if (lines === undefined) throw badRule(`${where}: ${reason}`, 'not a rule', JSON.stringify(rule));
    return { reasons: [reason], lines };
  });
  const changed = new Set(own.flatMap(({ reasons }) => reasons));
  const kept = base
    .map((rule) => ({ ...rule, reasons: rule.reasons.filter((reason) => !changed.has(reason)) }))
    .filter(({ reasons }) => reasons.length > 0);
  return [...own, ...kept];
}

function linesFrom(rule: unknown): readonly ReflectionLine[] | undefined {
  if (rule === 'always') return always;
  if (rule === 'never') return never;
  const conditions = typeof rule === 'string' ? [rule] : rule;
  if (!Array.isArray(conditions) || !conditions.every((word) => typeof word === 'string' && /^!?[\w-]+$/.test(word)))
    return undefined;
  return iff(...conditions);
}

function badRule(where: string, what: string, found: string): StrataError {
  return new StrataError({
    code: 'nest.reflection',
    what,
    where,
    expected: '`REASON: always`, `never`, or a list of conditions',
    found,
  });
}
