import { StrataError, suggestion } from '../../machine/errors.ts';
import { createRegistry, type Registry } from '../../machine/registry.ts';
import type { Mechanism } from './mechanism.ts';
import { postedInterrupts } from './posted-interrupts.ts';
import { virtualIdle } from './virtual-idle.ts';
import { virtualIpi } from './virtual-ipi.ts';
import { virtualPassthrough } from './virtual-passthrough.ts';
import { virtualTimer } from './virtual-timer.ts';

export const mechanisms: Registry<Mechanism> = createRegistry('mechanism', [
  virtualPassthrough,
  postedInterrupts,
  virtualTimer,
  virtualIpi,
  virtualIdle,
]);

/** Which mechanisms are on, and which hypervisors take part. */
export interface Selection {
  readonly mechanisms: readonly Mechanism[];
  /** The published prototype's extra VMCALL before every VM entry of a DVH guest hypervisor (section 2.1). */
  readonly prototypeEntry: boolean;
  /** Levels of hypervisors that provide the mechanisms to their guests; all when absent. L0 is 0. */
  readonly providers?: readonly number[];
  /** Levels of hypervisors that use what they are given; all when absent. */
  readonly consumers?: readonly number[];
}

export const noMechanisms: Selection = { mechanisms: [], prototypeEntry: false };

/** The artifact's configurations by the name of `--dvh`. */
const presets: Readonly<Record<string, Selection>> = {
  none: noMechanisms,
  vp: { mechanisms: [virtualPassthrough], prototypeEntry: false },
  dvh: { mechanisms: [...mechanisms], prototypeEntry: true },
};

/**
 * `none`, `vp`, `dvh`, or a comma-separated list of mechanisms (`vp,timer`), in which `prototype` adds the prototype's entry hypercall.
 * @throws StrataError `nest.unknown-mechanism`
 */
export function selectMechanisms(
  words: string,
  { providers, consumers }: { readonly providers?: readonly number[]; readonly consumers?: readonly number[] } = {},
): Selection {
  const levels = { ...(providers && { providers }), ...(consumers && { consumers }) };
  const preset = Object.hasOwn(presets, words) ? presets[words] : undefined;
  if (preset !== undefined) return { ...preset, ...levels };
  const chosen = new Set(
    words
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  );
  const known = [...Object.keys(presets), ...mechanisms.names, 'prototype'];
  for (const word of chosen) {
    if (word !== 'prototype' && !mechanisms.has(word))
      throw new StrataError({
        code: 'nest.unknown-mechanism',
        what: `unknown mechanism ${word}`,
        where: '--dvh',
        expected: 'none, vp, dvh, or a list of mechanisms',
        mend: suggestion(word, known),
      });
  }
  return {
    mechanisms: [...mechanisms].filter(({ name }) => chosen.has(name)),
    prototypeEntry: chosen.has('prototype'),
    ...levels,
  };
}

/**
 * The hypervisor that handles an exit of this kind from a guest at `level` (section 3.8): the lowest that provides the mechanism while
 * every hypervisor between it and the guest consumes it; the guest's own hypervisor otherwise.
 */
export function handlerLevel(selection: Selection, level: number, kind: string): number {
  const own = level - 1;
  if (!selection.mechanisms.some((mechanism) => mechanism.kinds.includes(kind))) return own;
  let handler = own;
  for (let provider = own - 1; provider >= 0; provider--) {
    if (!takesPart(selection.consumers, provider + 1)) break;
    if (takesPart(selection.providers, provider)) handler = provider;
  }
  return handler;
}

export function takesPart(levels: readonly number[] | undefined, level: number): boolean {
  return levels === undefined || levels.includes(level);
}
