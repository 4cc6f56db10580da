import type { Named } from '../../machine/registry.ts';

/** What interrupts a guest: the expiry of its timer, another vCPU, a device. */
export type InterruptSource = 'timer' | 'ipi' | 'device';

/** One way to keep exits of a nested guest away from the guest hypervisor (section 3.5). */
export interface Mechanism extends Named {
  readonly source: string;
  /** Exit kinds that the provider handles alone. */
  readonly kinds: readonly string[];
  /** Interrupts that are posted to a running nested guest without any exit. */
  readonly posts: readonly InterruptSource[];
  /** What the guest hypervisor still does. */
  readonly guestHypervisor: string;
  /** What becomes of live migration. */
  readonly migration: string;
}
