import type { ElasticityConfig } from '../config.ts';
import type { CostName } from '../costs.ts';
import { mibPerGib } from '../units.ts';
import { createResidencyCounter } from './counting.ts';
import type { Follower, FollowerSetting, Need } from './technique.ts';

/** The size that the artifact's policy wants next (specification 3.4): one step down with ample free memory, one or two up with little. */
export function nextSizeMib(
  sizeMib: number,
  freeMib: number,
  largestMib: number,
  { freeShare, stepShare, minShare }: ElasticityConfig['policy'],
): number {
  const free = freeShare * freeMib;
  const step = stepShare * largestMib;
  const change = free < step / 2 ? 2 * step : free < step ? step : free > 2 * step ? -step : 0;
  return Math.min(largestMib, Math.max(minShare * largestMib, sizeMib + change));
}

export interface PolicyTraits {
  readonly used: (need: Need) => number;
  readonly overheadMib: number;
  /** Whether plugged memory is resident at once. */
  readonly populatesOnPlug: boolean;
  readonly down: readonly CostName[];
  readonly up: readonly CostName[];
}

/** A VM whose size follows the policy; resident is what was touched since it was plugged. */
export function followPolicy(setting: FollowerSetting, traits: PolicyTraits): Follower {
  const { totalMib, shrinkMsPerGib } = setting;
  const { policy } = setting.config;
  const counter = createResidencyCounter(traits.down, traits.up);
  let size = policy.minShare * totalMib;
  let touched = 0;
  let nextDecision = 0;
  return {
    operations: counter.operations,
    get limitMib() {
      return size;
    },
    get residentMib() {
      return (traits.populatesOnPlug ? size : touched) + traits.overheadMib;
    },
    advance(seconds, need) {
      const used = traits.used(need);
      for (; nextDecision <= seconds; nextDecision += policy.periodSeconds) {
        const before = size;
        size = nextSizeMib(size, size - used, totalMib, policy);
        if (size < before) nextDecision += Math.max(0, pastPeriod(before - size, shrinkMsPerGib, policy.periodSeconds));
      }
      touched = Math.min(Math.max(touched, used), size);
      counter.reach(traits.populatesOnPlug ? size : touched);
    },
  };
}

/** A slow technique decides again only when it is done. */
function pastPeriod(movedMib: number, shrinkMsPerGib: number, periodSeconds: number): number {
  return ((movedMib / mibPerGib) * shrinkMsPerGib) / 1000 - periodSeconds;
}
