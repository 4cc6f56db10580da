import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AddressSpace } from '../../machine/page-table.ts';
import { createRandom } from '../../machine/random.ts';
import { randomSpaces } from '../spaces.case.ts';
import { shadow } from './shadow.ts';
import { bareWalker, createForesight, type ForeseenReference, followLivingSystem, testWalker } from './walks.case.ts';

const fillCycles = 2500;

/** What shadow paging reads, and which leaves of the folded table it has been asked for so far. */
function createNaive(spaces: readonly AddressSpace[]) {
  const folded = spaces.length - 2;
  const name = folded === 0 ? 'shadow' : 'EPT02';
  const leaves = new Set<string>();

  /** A page is as large in the folded table as it is in the smaller of both. */
  function leafLevel(page: number): number {
    const [upper, lower] = spaces.slice(folded).map(({ table }) => table);
    const middle: number = upper!.translate(page);
    return Math.min(upper!.leafLevel(page), lower!.leafLevel(middle));
  }

  function inFolded(page: number, purpose: string): ForeseenReference[] {
    const leaf = leafLevel(page);
    leaves.add(`${leaf}/${Math.floor(page / 512 ** (leaf - 1))}`);
    const read: ForeseenReference[] = [];
    for (let level: number = spaces[folded]!.table.levels; level >= leaf; level--)
      read.push({
        label: `${name} L${level}${purpose}`,
        page: `${name} ${level}/${Math.floor(page / 512 ** level)}`,
        byteOffset: (Math.floor(page / 512 ** (level - 1)) % 512) * 8,
      });
    return read;
  }

  function walk(vpn: number): ForeseenReference[] {
    if (folded === 0) return inFolded(vpn, '');
    const guest = spaces[0]!.table;
    const read: ForeseenReference[] = [];
    for (let level: number = guest.levels; level >= guest.leafLevel(vpn); level--) {
      const table: number = guest.frameOf(guest.nodeAt(vpn, level));
      read.push(...inFolded(table, ` for guest L${level}`), {
        label: `guest L${level}`,
        page: `guest table ${table}`,
        byteOffset: (Math.floor(vpn / 512 ** (level - 1)) % 512) * 8,
      });
    }
    return [...read, ...inFolded(guest.translate(vpn), ' for data')];
  }

  return { walk, leaves };
}

describe.each(['virtualized', 'nested'] as const)('shadow paging, %s', (setup) => {
  it('reads what a naive walker reads, and fills each leaf that is missed once', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { spaces, pages } = randomSpaces(setup, seed);
        const walker = testWalker({ design: shadow, setup, spaces, machine: bareWalker });
        const naive = createNaive(spaces);
        const compare = createForesight();
        const random = createRandom(seed);
        for (let walk = 0; walk < 40; walk++) {
          const { vpn, frame } = pages[random.below(pages.length)]!;
          expect(walker.walk(vpn)).toBe(frame);
          compare(walker.answers(), naive.walk(vpn));
          const { counters, maintenanceCycles } = walker.stage.result();
          expect(counters.fills).toBe(naive.leaves.size);
          expect(maintenanceCycles).toBe(naive.leaves.size * fillCycles);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('follows a living system', () => {
    const { counters } = followLivingSystem(shadow, setup).stage.result();
    expect(counters.drops).toBeGreaterThan(0);
    expect(counters.updates).toBeGreaterThan(0);
  });
});
