import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolve } from '../../machine/fields.ts';
import { createRegistry } from '../../machine/registry.ts';
import { resolveTranslationConfig } from '../config.ts';
import type { Design, Setup } from '../design.ts';
import { createDesignStage, type DesignStage } from '../design-stage.ts';
import { explainWalk } from '../explain.ts';
import { createMachineParts } from '../machine-parts.ts';
import { randomSpaces, singlePage, type TestSpaces } from '../spaces.case.ts';

/** A design alone on a small machine. */
function stageOf(design: Design, setup: Setup, { spaces }: TestSpaces): DesignStage {
  const config = resolveTranslationConfig({ setup, cores: 2, prefetcher: 'none' });
  const machine = createMachineParts({ ...config, engine: 'interpreted' }, spaces[0]!.table.levels);
  const stage = createDesignStage(
    { setup, cores: machine.cores, walkerMachine: machine.walkerMachine },
    { design, options: resolve(design.spec), caches: machine.createCaches(), createStore: machine.createStores() },
  );
  stage.addProcess(spaces);
  return stage;
}

function walkAll(stage: DesignStage, { pages }: TestSpaces): { frames: number[]; cycles: number[] } {
  const frames: number[] = [];
  const cycles: number[] = [];
  for (const [index, { vpn }] of pages.entries()) {
    stage.memory.begin(index % 2);
    frames.push(stage.instances[0]!.walk(vpn));
    cycles.push(stage.memory.cycles);
  }
  return { frames, cycles };
}

const dimensions = { native: 1, virtualized: 2, nested: 3 } as const;

function oneSmallPage(setup: Setup): TestSpaces {
  return singlePage(Array.from({ length: dimensions[setup] }, () => ({ levels: 4, leaf: 1 }) as const));
}

/** What every translation design promises, in each set-up that it offers. */
export function describeDesign(design: Design): void {
  describe(`design ${design.name}`, () => {
    for (const setup of design.setups) {
      describe(setup, () => {
        it('returns the frame that the mapping says, cold and warm, for every page of random address spaces', () => {
          fc.assert(
            fc.property(fc.nat(), (seed) => {
              const test = randomSpaces(setup, seed);
              const stage = stageOf(design, setup, test);
              const expected = test.pages.map(({ frame }) => frame);
              expect(walkAll(stage, test).frames).toEqual(expected);
              expect(walkAll(stage, test).frames).toEqual(expected);
            }),
            { numRuns: 40 },
          );
        });

        it('makes at least one reference when cold, and not more when warm', () => {
          const test = oneSmallPage(setup);
          const stage = stageOf(design, setup, test);
          const { vpn } = test.pages[0]!;
          stage.memory.begin(0);
          stage.instances[0]!.walk(vpn);
          const cold = { references: stage.memory.references, cycles: stage.memory.cycles };
          expect(cold.references).toBeGreaterThanOrEqual(1);
          stage.memory.resetCounts();
          stage.memory.begin(0);
          stage.instances[0]!.walk(vpn);
          expect(stage.memory.references).toBeLessThanOrEqual(cold.references);
          expect(stage.memory.cycles).toBeLessThanOrEqual(cold.cycles);
        });

        it('counts what it declares, and nothing below zero', () => {
          const test = randomSpaces(setup, 7);
          const stage = stageOf(design, setup, test);
          walkAll(stage, test);
          const { counters, tableBytes, maintenanceCycles } = stage.result();
          expect(Object.keys(counters)).toEqual(Object.keys(design.counters));
          for (const count of [...Object.values(counters), tableBytes ?? 0, maintenanceCycles])
            expect(count).toBeGreaterThanOrEqual(0);
        });

        it('gives the same cycles for the same walks', () => {
          const run = () => {
            const test = randomSpaces(setup, 11);
            return walkAll(stageOf(design, setup, test), test).cycles;
          };
          expect(run()).toEqual(run());
        });

        it('pays for each reference that it waits for', () => {
          const test = randomSpaces(setup, 13);
          const config = resolveTranslationConfig({ setup, prefetcher: 'none' });
          const latency = { memory: 200, l1: 4, l2: 14, llc: 54 };
          for (const { vpn, frame } of test.pages) {
            const walk = explainWalk(
              config,
              test.spaces,
              { design: design.name, vpn },
              createRegistry('design', [design]),
            );
            const awaited = walk.references.filter((reference) => reference.awaited);
            expect(walk.otherCycles).toBeGreaterThanOrEqual(0);
            expect(walk.cycles - walk.otherCycles).toBe(awaited.reduce((sum, { where }) => sum + latency[where], 0));
            expect(Number(BigInt(walk.physicalAddress) >> 12n)).toBe(frame);
          }
        });
      });
    }

    it.skipIf(!(design.setups.includes('native') && design.setups.includes('virtualized')))(
      'makes no more references natively than virtualized',
      () => {
        const cold = (setup: Setup): number => {
          const test = oneSmallPage(setup);
          const stage = stageOf(design, setup, test);
          walkAll(stage, test);
          return stage.memory.references;
        };
        expect(cold('native')).toBeLessThanOrEqual(cold('virtualized'));
      },
    );
  });
}
