import type { ElasticityConfig } from './config.ts';
import { xeon6252 } from './costs.ts';
import { resizeVm } from './resize.ts';
import { nextSizeMib } from './techniques/policy.ts';
import type { Technique } from './techniques/technique.ts';
import { mibPerGib } from './units.ts';
import type { ElasticVm } from './vm.ts';

const hugeMib = 2;
/** What a balloon gives back each time that the guest has no memory left (virtio-balloon, deflate on OOM: 256 pages). */
const oomReleaseMib = 1;

/** The artifact's policy at work on a VM that is followed page by page (specification 3.4). */
export interface AutoResize {
  /** Lets time pass: the policy decides at its period, and not before a slow shrink is over. */
  advance(seconds: number): void;
  /** The guest has no memory left: whether the technique gave some back by itself. */
  relieve(): boolean;
}

/** Starts the VM at the policy's smallest size, as the artifact does. */
export function createAutoResize(
  vm: ElasticVm,
  technique: Technique,
  { vfio, config: { policy } }: { readonly vfio: boolean; readonly config: ElasticityConfig },
): AutoResize {
  const largestMib = vm.sizeMib;
  const msPerGib = resizeVm({ technique, profile: xeon6252, fromGib: 1, toGib: 0, touched: true, vfio }).shrinkMs;
  const whole = (mib: number) => hugeMib * Math.ceil(mib / hugeMib);
  const releasesOnOom = technique.name.startsWith('virtio-balloon');
  let nextDecision = policy.periodSeconds;
  vm.resizeTo(whole(policy.minShare * largestMib));

  return {
    advance(seconds) {
      for (; nextDecision <= seconds; nextDecision += policy.periodSeconds) {
        const before = vm.sizeMib;
        const freeMib = largestMib - hugeMib * vm.guest.busyHugeFrames;
        const after = vm.resizeTo(whole(nextSizeMib(before, freeMib, largestMib, policy)));
        const shrinkSeconds = (Math.max(0, before - after) / mibPerGib) * (msPerGib / 1000);
        nextDecision += Math.max(0, shrinkSeconds - policy.periodSeconds);
      }
    },
    relieve() {
      const before = vm.sizeMib;
      return releasesOnOom && before < largestMib && vm.resizeTo(Math.min(largestMib, before + oomReleaseMib)) > before;
    },
  };
}
