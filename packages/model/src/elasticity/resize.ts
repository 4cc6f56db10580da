import { StrataError } from '../machine/errors.ts';
import { type HostProfile, millisecondsOf } from './costs.ts';
import type { ResizePlan, Technique } from './techniques/technique.ts';

export interface ResizeInput {
  readonly technique: Technique;
  readonly profile: HostProfile;
  readonly fromGib: number;
  readonly toGib: number;
  readonly touched: boolean;
  readonly vfio: boolean;
  /** The first resize since boot. Default: a later one, as in the published means. */
  readonly first?: boolean;
  /** Memory that the guest writes after growing, in GiB. Default: all but 1 GiB of the larger size, as the artifact does. */
  readonly touchGib?: number;
}

export interface ResizeResult {
  readonly movedGib: number;
  readonly shrinkMs: number;
  readonly growMs: number;
  /** Writing the memory after it grew; 0 when nobody touches it. */
  readonly touchMs: number;
  readonly shrinkGibPerSecond: number;
  readonly growGibPerSecond: number;
  /** Growing and writing together; absent when nobody touches it. */
  readonly returnInstallGibPerSecond: number | undefined;
  readonly plan: ResizePlan;
}

/** Memory that the guest's kernel needs for itself while it writes all the rest: 19 of 20 GiB in the artifact. */
const keptByGuestGib = 1;

/**
 * Shrinks a VM from the larger of the two sizes to the smaller, grows it back, and lets the guest write its memory.
 * @throws StrataError `elastic.not-resizable`, `elastic.not-dma-safe`, `elastic.size`
 */
export function resizeVm(input: ResizeInput): ResizeResult {
  const { technique, profile, fromGib, toGib, touched, vfio } = input;
  if (typeof technique.resize === 'string')
    throw new StrataError({
      code: 'elastic.not-resizable',
      what: technique.resize,
      where: `technique ${technique.name}`,
      mend: 'Look at its footprint over time instead: strata elastic footprint.',
    });
  requireDmaSafe(technique, vfio);
  for (const gib of [fromGib, toGib])
    if (!(gib >= 0 && gib < 2 ** 30))
      throw new StrataError({
        code: 'elastic.size',
        what: 'not a size of a VM',
        expected: '0 GiB or more',
        found: `${gib}`,
      });
  const larger = Math.max(fromGib, toGib);
  const movedGib = Math.abs(fromGib - toGib);
  if (movedGib === 0)
    throw new StrataError({
      code: 'elastic.size',
      what: 'both sizes are the same, nothing moves',
      expected: 'two different sizes',
      found: `${fromGib} GiB`,
    });
  const touchGib = input.touchGib ?? Math.max(movedGib, larger - keptByGuestGib);
  const request = { movedGib, touchedAfterGib: touchGib, touched, vfio, first: input.first ?? false };
  const plan = technique.resize(request);
  const milliseconds = (phase: keyof ResizePlan) => millisecondsOf(plan[phase], profile.costs);
  const shrinkMs = milliseconds('shrink');
  const growMs = milliseconds('grow');
  const touchMs = touched ? milliseconds('touch') : 0;
  const wholeMs = growMs / movedGib + touchMs / touchGib;
  return {
    movedGib,
    shrinkMs,
    growMs,
    touchMs,
    shrinkGibPerSecond: (1000 * movedGib) / shrinkMs,
    growGibPerSecond: (1000 * movedGib) / growMs,
    returnInstallGibPerSecond: touched ? 1000 / wholeMs : undefined,
    plan,
  };
}

/** @throws StrataError `elastic.not-dma-safe` */
export function requireDmaSafe({ name, dmaSafe }: Technique, vfio: boolean): void {
  if (!vfio || dmaSafe === true) return;
  throw new StrataError({
    code: 'elastic.not-dma-safe',
    what: `${name} cannot be used with a passed-through device: ${dmaSafe}`,
    mend: 'Leave --vfio out, or use virtio-mem or hyperalloc.',
  });
}
