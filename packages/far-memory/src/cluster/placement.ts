import { hashObject, mix32 } from '../protocol/object-index.ts';

/**
 * Rendezvous hashing: every agent has a weight for every object, and the heaviest ones hold it. An agent that comes or goes moves only the
 * objects for which it is among the heaviest.
 */

/** What of an object's name decides where it lives: objects of a group whose ids agree modulo 2^32 live together. */
export function placementOf(group: number, id: number): number {
  return hashObject(group, id % 2 ** 32);
}

/** A number for an agent that only its address decides, so that every client places alike. */
export function seedOf(address: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(address)) hash = Math.imul(hash ^ byte, 0x01000193);
  return mix32(hash);
}

export function weightOf(placement: number, seed: number): number {
  return mix32(placement ^ seed);
}

/** The heaviest of the agents whose bit is set; -1 for none. */
export function heaviest(placement: number, seeds: readonly number[], among: number): number {
  let best = -1;
  let most = -1;
  for (let agent = 0; agent < seeds.length; agent++) {
    if ((among & (1 << agent)) === 0) continue;
    const weight = weightOf(placement, seeds[agent]!);
    if (weight <= most) continue;
    most = weight;
    best = agent;
  }
  return best;
}

export function countBits(mask: number): number {
  let count = 0;
  for (let left = mask; left !== 0; left &= left - 1) count++;
  return count;
}

/** The positions of the set bits, lowest first. */
export function* bitsOf(mask: number): Generator<number> {
  for (let bit = 0; bit < 32; bit++) if ((mask & (1 << bit)) !== 0) yield bit;
}
