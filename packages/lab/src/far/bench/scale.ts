import { freemem } from 'node:os';
import { StrataError } from '@strata/model/machine';

/** What data, agents and competitors take together with nothing divided, rounded up: bytes resident, all processes. */
const fullBytes = 1.5 * 2 ** 30;
/** The rest of the machine goes on. */
const usableShare = 0.5;
export const shrinks = [1, 2, 4, 8, 16, 32, 64] as const;

/** The least factor that fits so much free memory; the largest where none does. */
export function shrinkFor(freeBytes: number): number {
  return shrinks.find((shrink) => fullBytes / shrink <= usableShare * freeBytes) ?? shrinks.at(-1)!;
}

/** Memory that this process and its children may still take: the machine's, or what a container leaves of it. */
export function freeBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  const isLimited = limit > 0 && limit < 2 ** 50;
  return isLimited ? Math.min(freemem(), limit - process.memoryUsage.rss()) : freemem();
}

/** @throws StrataError `usage.number` */
export function shrinkOf(text: string): number {
  if (text === 'auto') return shrinkFor(freeBytes());
  const shrink = shrinks.find((known) => String(known) === text.trim());
  if (shrink !== undefined) return shrink;
  throw new StrataError({
    code: 'usage.number',
    what: 'not a factor',
    where: '--shrink',
    expected: `auto, or a power of two from 1 to ${shrinks.at(-1)}`,
    found: text,
  });
}
