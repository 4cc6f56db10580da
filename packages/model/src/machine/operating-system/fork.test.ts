import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBuddy } from '../buddy.ts';
import { createDemandSpace, type DemandSpace } from './demand-space.ts';

describe('a fork', () => {
  it('leaves the child a heap that goes on growing, without a list of VMAs', () => {
    const parent = createDemandSpace({ frames: createBuddy({ frames: 2 ** 16 }) });
    parent.ensure(0);
    const child = parent.fork(() => {});
    for (let vpn = 0; vpn < 4096; vpn += 256) child.ensure(vpn);
    expect(child.vmas).toEqual([{ start: 0, end: 4096 }]);
    expect(parent.vmas).toEqual([{ start: 0, end: 512 }]);
  });

  it('shares every page until someone stores to it, and gives all memory back at the end', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('4k', 'thp'),
        fc.array(fc.tuple(fc.nat(1), fc.nat(2047), fc.nat(4)), { maxLength: 60 }),
        (pages, steps) => {
          const memory = createBuddy({ frames: 2 ** 16 });
          const parent = createDemandSpace({ frames: memory, pages, vmas: [{ start: 0, end: 2048 }] });
          for (let vpn = 0; vpn < 2048; vpn += 3) parent.ensure(vpn);
          const child = parent.fork(() => {});
          parent.table.forEachLeaf((vpn, frame) => expect(child.table.translate(vpn)).toBe(frame));
          /** What a process has stored: nobody else may hold that frame. */
          for (const [who, vpn, what] of steps) {
            const [self, other] = who === 0 ? [parent, child] : [child, parent];
            if (what === 0) self.munmap(vpn, vpn + 70);
            else if (what === 1) self.split(vpn);
            else if (what === 2) self.migrate(vpn);
            else {
              self.ensure(vpn);
              self.storeTo(vpn);
              expect(self.isWriteProtected(vpn)).toBe(false);
              expect(holds(other, self.table.translate(vpn))).toBe(false);
            }
          }
          child.exit();
          parent.exit();
          expect(memory.freeFrames).toBe(2 ** 16);
        },
      ),
      { numRuns: 40 },
    );
  });
});

function holds({ table }: DemandSpace, frame: number): boolean {
  for (let vpn = 0; vpn < 2048 + 512; vpn++) if (table.translate(vpn) === frame) return true;
  return false;
}
