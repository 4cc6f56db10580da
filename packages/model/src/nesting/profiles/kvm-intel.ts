import type { ExitKind, Operation, OperationList } from '../profile.ts';

// What KVM on VMX does for one exit, counted by reading KVM 4.18 (specification section 4.2 and 4.7). Nothing here is fitted.

/** COMMON: exit reason, IDT vectoring info, exit interrupt info, PML index, guest interrupt status. */
const common = 5;
/** SKIP: RIP, instruction length, interruptibility, RFLAGS, RIP again. */
const skip = 5;

const vmInstruction: OperationList = { S: common + skip + 1, N: 2 };
const vmMemoryInstruction: OperationList = { S: common + skip + 1, N: 3 };
const emulated: OperationList = { S: common + skip };

export const vmxOperations: Readonly<Record<string, Operation>> = {
  S: { access: 'shadowable', kind: 'vmread', summary: 'VMREAD or VMWRITE of a field on the shadow list' },
  N: { access: 'trap', kind: 'vmread', summary: 'VMREAD or VMWRITE of any other field' },
  PTR: { access: 'trap', kind: 'vmptrld', summary: 'VMPTRLD' },
  INV: { access: 'trap', kind: 'invept', summary: 'INVEPT' },
  ICR: { access: 'trap', kind: 'ipi', summary: 'write of the interrupt command register, to kick a vCPU' },
  WRT: { access: 'trap', kind: 'timer', summary: 'write of the TSC-deadline register' },
  VMCALL: { access: 'trap', kind: 'hypercall', summary: 'hypercall to the hypervisor below' },
  REFAULT: { access: 'trap', kind: 'ept', summary: 'second fault that the hypervisor below fixes in its merged table' },
};

/** The four measured kinds without their software cost, which belongs to a machine. */
export const vmxHandlers = {
  hypercall: { S: common + skip + 1, N: 1 },
  devnotify: { S: 14, N: 1, ICR: 1 },
  timer: { S: common + skip + 1, N: 2 },
  ipi: { S: common + skip, ICR: 1 },
} as const satisfies Record<string, OperationList>;

function assumed(swCycles: number, handler: OperationList, handledBy: ExitKind['handledBy'] = 'parent'): ExitKind {
  return { swCycles, handler, handledBy, basis: 'assumed' };
}

/** VMX instructions of guest hypervisors: order-of-magnitude guesses, section 4.3. */
export const vmxInstructions: Readonly<Record<string, ExitKind>> = {
  vmread: { swCycles: 900, handler: vmInstruction, handledBy: 'parent', basis: 'assumed' },
  vmptrld: {
    swCycles: 6_500,
    swAboveCycles: 2_500,
    handler: vmMemoryInstruction,
    handledBy: 'parent',
    basis: 'assumed',
  },
  invept: { swCycles: 3_000, handler: vmMemoryInstruction, handledBy: 'parent', basis: 'assumed' },
};

/** Kinds that the paper does not measure (section 4.7): lists by analogy, software assumed. */
export const unmeasuredKinds: Readonly<Record<string, ExitKind>> = {
  cpuid: assumed(875, emulated),
  hlt: assumed(3_500, emulated),
  mwait: assumed(3_500, emulated),
  interrupt: assumed(1_000, { S: common }),
  'host-interrupt': assumed(1_000, {}, 'root'),
  'irq-window': assumed(600, { S: common + 1 }),
  ept: assumed(3_500, { S: 8, N: 1, REFAULT: 1 }),
  'ept-root': assumed(3_500, {}, 'root'),
  msr: assumed(800, emulated),
  cr: assumed(700, { S: common + skip + 1 }),
  pio: assumed(1_000, emulated),
  'pio-user': assumed(6_000, { S: common + skip, ICR: 1 }),
  eoi: assumed(600, emulated),
  exception: assumed(1_500, { S: common + 3 }),
  pause: assumed(600, { S: common }),
  tpr: assumed(600, { S: common + 1 }),
  'preemption-timer': assumed(1_000, {}, 'root'),
  other: assumed(1_000, emulated),
};

/** REFLECT and RUN of a KVM that is itself a guest. */
export const vmxReflect: OperationList = { S: 42, N: 87, PTR: 1, INV: 1 };
export const vmxRun: OperationList = { S: 32, N: 19, PTR: 1, INV: 1 };
