import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createGuest } from './guest.ts';

const frames = 16_384;
const hugePages = 512;

it('knows which 2 MiB frames are not wholly free, whatever is allocated, split, freed, vacated and given back', () => {
  const step = fc.record({
    what: fc.integer({ min: 0, max: 3 }),
    order: fc.integer({ min: 0, max: 10 }),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const guest = createGuest({
        allocator: 'buddy',
        bootFrames: frames,
        deviceFrames: 0,
        deviceZone: 'Movable',
        cpus: 2,
      });
      const handles: number[] = [];
      const kept = new Set<number>();
      for (const { what, order, pick } of steps) {
        const at = pick % Math.max(1, handles.length);
        const huge = pick % (frames / hugePages);
        if (what === 0) {
          const handle = guest.allocate(pick % 2, order, pick % 3 > 0);
          if (handle >= 0) handles.push(handle);
        } else if (what === 1 && handles.length > 0) {
          guest.free(pick % 2, handles.splice(at, 1)[0]!);
        } else if (what === 2 && handles.length > 0 && guest.orderOf(handles[at]!) > 0) {
          handles.push(guest.split(handles[at]!));
        } else if (what === 3 && kept.has(huge)) {
          guest.giveBack(huge * hugePages, 9);
          kept.delete(huge);
        } else if (what === 3 && guest.vacate(huge * hugePages, 9, () => undefined)) kept.add(huge);
        const busy = new Set(kept);
        for (const handle of handles)
          for (let page = 0; page < 2 ** guest.orderOf(handle); page++)
            busy.add(Math.floor((guest.frameOf(handle) + page) / hugePages));
        expect(guest.busyHugeFrames).toBe(busy.size);
      }
    }),
    { numRuns: 60 },
  );
});
