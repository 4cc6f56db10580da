import { createExitModel } from '../cost.ts';
import type { SetUp } from '../experiment/setups.ts';
import { selectMechanisms } from '../mechanisms/selection.ts';
import { reflectedInterrupts } from '../posted-interrupts.ts';
import type { Profile } from '../profile.ts';
import type { Application } from './applications.ts';

/** What the events of an operation cost in one set-up, in microseconds. */
export interface EventCosts {
  /** Exits that every operation takes, on the vCPU. */
  readonly fixedMicros: number;
  /** Doorbell of the device, on the vCPU, where the back end is idle. */
  readonly kickMicros: number;
  /** Delivery of an interrupt to a vCPU that is not already working through its queue. */
  readonly interruptMicros: number;
  /** HLT: half of it before the vCPU sleeps, half before it runs again. */
  readonly haltMicros: number;
  /** Hypervisors in between that pass an operation on, both ways, off the vCPU. */
  readonly relayMicros: number;
}

const nothing: EventCosts = { fixedMicros: 0, kickMicros: 0, interruptMicros: 0, haltMicros: 0, relayMicros: 0 };

/** @throws StrataError for a level that the profile does not have */
export function eventCostsOf(profile: Profile, setUp: SetUp, application: Application): EventCosts {
  const { level, configuration } = setUp;
  if (level === 0) return nothing;
  const mechanisms = { base: 'none', passthrough: 'none', 'dvh-vp': 'vp', dvh: 'dvh' }[configuration];
  const model = createExitModel(profile, selectMechanisms(mechanisms));
  const micros = (at: number, kind: string) => model.cost(at, kind).cycles / (profile.clockGHz * 1_000);
  const posted = configuration === 'dvh';
  // An expiry that L0 sees is an interrupt for the guest; virtual timers post it.
  const expiries = application.exits['preemption-timer'] ?? 0;
  // Paravirtual I/O: the back end of each hypervisor in between rings the bell of the next and is interrupted by it.
  let relayMicros = 0;
  if (application.network && configuration === 'base')
    for (let between = 1; between < level; between++)
      relayMicros += micros(between, 'devnotify') + micros(between, 'interrupt');
  return {
    fixedMicros:
      Object.entries(application.exits).reduce((sum, [kind, count]) => sum + count * micros(level, kind), 0) +
      expiries * reflectedInterrupts(level, posted) * micros(level, 'interrupt'),
    kickMicros: configuration === 'passthrough' ? 0 : micros(level, 'devnotify'),
    interruptMicros: posted
      ? 0
      : micros(level, 'host-interrupt') + reflectedInterrupts(level, posted) * micros(level, 'interrupt'),
    haltMicros: micros(level, 'hlt'),
    relayMicros,
  };
}
