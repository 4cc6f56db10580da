import type { PartialValuesOf } from '../fields.ts';
import type { machineSpec } from '../machine-config.ts';
import type { Named } from '../registry.ts';

/** A machine by name: what differs from the defaults of `machineSpec`, and where the figures come from. */
export interface MachinePreset extends Named {
  /** Documents that the figures come from; what no document confirms is marked unverified, figure by figure. */
  readonly source: string;
  /** Figures that no public document confirms, as paths with the reason. */
  readonly unverified: Readonly<Record<string, string>>;
  readonly values: PartialValuesOf<typeof machineSpec>;
}
