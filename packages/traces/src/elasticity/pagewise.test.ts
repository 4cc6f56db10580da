import { elasticityFields, techniques } from '@strata/model/elasticity';
import { resolve } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKmemReader } from './kmem.ts';
import { pagewisePlacement } from './placement.ts';

const config = resolve(elasticityFields);
const totalMib = 256;
const byPolicy = ['virtio-balloon', 'virtio-balloon-huge', 'virtio-mem'] as const;

const line = (seconds: number, event: 'alloc' | 'free', frame: number, order: number) =>
  `  kvm-1 [000] ..... ${seconds.toFixed(6)}: mm_page_${event}: page=0x1 pfn=0x${frame.toString(16)} order=${order}${event === 'alloc' ? ' migratetype=1' : ''}`;

function replayed(technique: string, lines: readonly string[]) {
  const placement = pagewisePlacement({ technique: techniques.get(technique), vfio: false, config, totalMib });
  const reader = createKmemReader('trace', { totalMib, placement });
  for (const text of lines) reader.line(text);
  const { demand, counts } = reader.finish();
  return { demand, counts, resident: demand.recorded!.residentMib };
}

describe('a kmem trace page by page', () => {
  /** 64 MiB taken in single pages within a second, given back in the next, and a page now and then until 40 s. */
  const burst = [
    ...Array.from({ length: 16_384 }, (_, at) => line(at / 16_384, 'alloc', at, 0)),
    ...Array.from({ length: 16_384 }, (_, at) => line(1 + at / 16_384, 'free', at, 0)),
    ...Array.from({ length: 38 }, (_, at) => line(2 + at, 'alloc', 40_000 + at, 0)),
  ];

  it('keeps what was touched without a technique, and gives it back with one', () => {
    const fixed = replayed('static', burst).resident;
    expect(Math.max(...fixed)).toBe(fixed.at(-1));
    expect(fixed.at(-1)).toBeGreaterThanOrEqual(64);
    for (const technique of ['hyperalloc', 'free-page-reporting']) {
      const { resident, counts } = replayed(technique, burst);
      expect(counts).toMatchObject({ allocations: 16_384 + 38, frees: 16_384, refused: 0, unknownFrees: 0 });
      expect(Math.max(...resident), technique).toBeGreaterThanOrEqual(64);
      expect(resident.at(-1), technique).toBeLessThanOrEqual(16);
    }
  });

  it('has as much memory resident as is in use, and neither loses pages nor finds new ones, whatever is freed in parts', () => {
    const steps = fc.array(fc.record({ order: fc.integer({ min: 0, max: 9 }), part: fc.integer({ min: 0, max: 9 }) }), {
      minLength: 1,
      maxLength: 25,
    });
    fc.assert(
      fc.property(
        steps,
        fc.constantFrom('static', 'hyperalloc', 'free-page-reporting', ...byPolicy),
        (list, technique) => {
          const lines: string[] = [];
          let pages = 0;
          for (const [at, { order, part }] of list.entries()) {
            const frame = at * 1_024;
            lines.push(line(at, 'alloc', frame, order));
            pages += 2 ** order;
            if (part > order) continue;
            // The last part of the block.
            lines.push(line(at + 0.5, 'free', frame + 2 ** order - 2 ** part, part));
            pages -= 2 ** part;
          }
          lines.push(line(list.length + 1, 'alloc', 60_000, 0));
          lines.push(line(list.length + 2, 'free', 60_000, 0));
          const { demand, resident } = replayed(technique, lines);
          expect(demand.usedMib.at(-1)).toBeCloseTo(pages / 256, 9);
          for (const [at, mib] of resident.entries()) expect(mib).toBeGreaterThanOrEqual(demand.usedMib[at]!);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(byPolicy)('%s grows with the demand by its policy, and gives back when it is over', (technique) => {
    // Twelve seconds for 64 MiB, so that the policy keeps up with it.
    const slow = [
      ...Array.from({ length: 16_384 }, (_, at) => line((12 * at) / 16_384, 'alloc', at, 0)),
      ...Array.from({ length: 16_384 }, (_, at) => line(13 + at / 16_384, 'free', at, 0)),
      ...Array.from({ length: 60 }, (_, at) => line(15 + at, 'alloc', 40_000 + at, 0)),
    ];
    const { resident, counts, demand } = replayed(technique, slow);
    expect(counts).toMatchObject({ refused: 0, unknownFrees: 0 });
    expect(Math.max(...resident)).toBeGreaterThanOrEqual(64);
    expect(Math.max(...demand.usedHugeMib)).toBeGreaterThanOrEqual(64);
    // The policy leaves at least an eighth of the largest size, 32 MiB, and two steps of 16 MiB free.
    expect(resident.at(-1)).toBeLessThanOrEqual(64);
    expect(resident.at(-1)).toBeLessThan(Math.max(...resident));
  });
});
