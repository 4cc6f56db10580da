import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressSpaces, type DemandSpace } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { type Design, dimensionsOf, type Setup } from '../design.ts';
import { randomSpaces, singlePage } from '../spaces.case.ts';
import { asap } from './asap.ts';
import { type DmtInstance, dmt } from './dmt.ts';
import type { GteaTable } from './gtea.ts';
import { designs } from './index.ts';
import { pvdmt } from './pvdmt.ts';
import type { Tea, TeaSet } from './tea.ts';
import { bareWalker, type TestWalker, testWalker } from './walks.case.ts';
import { createWorld, memoryArbitrary, stepArbitrary } from './world.case.ts';

/** What a design asks of the hypervisors, and what it holds. */
interface Asked {
  /** Requests for contiguous memory, and returns of it, each times the hypervisors that it passes. */
  hypercalls: number;
  /** Frames of contiguous memory that are not given back. */
  held: number;
  gteas: GteaTable | undefined;
  /** Of the process that came last; those of the VMs are common to all. */
  sets: readonly TeaSet[];
}

function watched(design: Design): { readonly design: Design; readonly asked: Asked } {
  const asked: Asked = { hypercalls: 0, held: 0, gteas: undefined, sets: [] };
  const create: Design['create'] = (spec, resources) => {
    const hypervisors = (dimension: number) => resources.spaces.length - 1 - dimension;
    const instance = design.create(spec, {
      ...resources,
      contiguous(dimension, count) {
        asked.hypercalls += hypervisors(dimension);
        const range = resources.contiguous(dimension, count);
        if (range !== undefined) asked.held += count;
        return range;
      },
      releaseContiguous(dimension, range, count) {
        asked.hypercalls += hypervisors(dimension);
        asked.held -= count;
        resources.releaseContiguous(dimension, range, count);
      },
      shared<T extends object>(of: object, make: () => T): T {
        const value = resources.shared(of, make);
        if (isGteaTable(value)) asked.gteas = value;
        return value;
      },
    });
    asked.sets = (instance as DmtInstance).sets;
    return instance;
  };
  return { design: { ...design, create }, asked };
}

function isGteaTable(value: object): value is GteaTable {
  return 'grant' in value && 'revoke' in value;
}

const setups: readonly Setup[] = ['native', 'virtualized', 'nested'];

/** References that both make for one walk, in order of the designs; both must come to the frame that the tables say. */
function referencesOf(walkers: readonly TestWalker[], vpn: number, process: number, frame: number): number[] {
  return walkers.map((walker) => {
    expect(walker.walk(vpn, process)).toBe(frame);
    return walker.answers().filter(({ awaited }) => awaited).length;
  });
}

const both = [dmt, pvdmt] as readonly Design[];
const options = { minVmaMiB: 0 };

describe('a walk of pvDMT makes no more references than the same walk of DMT', () => {
  it.each(setups)('over random address spaces, cold and warm, %s', (setup) => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(2, 16), (seed, areas) => {
        const { spaces, pages } = randomSpaces(setup, seed);
        const walkers = both.map((design) =>
          testWalker({ design, setup, spaces, options: { ...options, areas }, machine: bareWalker }),
        );
        for (let round = 0; round < 2; round++)
          for (const { vpn, frame } of pages) {
            const [plain, paravirtual] = referencesOf(walkers, vpn, 0, frame);
            expect(paravirtual).toBeLessThanOrEqual(plain!);
            // There is nothing to ask a hypervisor for.
            if (setup === 'native') expect(paravirtual).toBe(plain);
          }
      }),
      { numRuns: 25 },
    );
  });

  it.each(setups)('after every event of the operating system, %s', (setup) => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { minLength: 4, maxLength: 16 }),
        memoryArbitrary,
        (steps, [unusable, policies]) => {
          const world = createWorld(setup, policies, unusable);
          const [first] = world.processes as [readonly DemandSpace[]];
          const memories = Array.from({ length: dimensionsOf[setup] }, () => ({ frames: 2 ** 18, unusable }));
          const walkers = both.map((design) =>
            testWalker({ design, setup, spaces: first, options, machine: bareWalker, memories }),
          );
          for (const step of steps) {
            const before = world.processes.length;
            world.step(step);
            for (const spaces of world.processes.slice(before))
              for (const { stage } of walkers) stage.addProcess(spaces);
            for (const [process, [self, ...below]] of world.processes.entries())
              self!.table.forEachLeaf((vpn, page, level) => {
                for (let offset = 0; offset < 512 ** (level - 1); offset += 131) {
                  const frame = below.reduce((at: number, space) => space.ensure(at), page + offset);
                  const [plain, paravirtual] = referencesOf(walkers, vpn + offset, process, frame);
                  expect(paravirtual).toBeLessThanOrEqual(plain!);
                }
              });
          }
        },
      ),
      { numRuns: 12 },
    );
  });
});

const inVms = setups.filter((setup) => setup !== 'native');

/** A process that is mapped, grows, forks nothing and goes, in memory that has room or not; `after` each change. */
function liveIn(
  setup: Setup,
  design: Design,
  unusable: number,
  seed: number,
  after: (walker: TestWalker) => void,
): void {
  const dimensions = dimensionsOf[setup];
  const { spaces } = createAddressSpaces(
    Array.from({ length: dimensions }, () => ({})),
    createRandom(seed),
  );
  const memories = Array.from({ length: dimensions }, () => ({ frames: 2 ** 16, unusable }));
  const options = design.name === 'pvdmt' ? { minVmaMiB: 0 } : {};
  const walker = testWalker({ design, setup, spaces, options, memories });
  const random = createRandom(seed);
  for (let step = 0; step < 60; step++) {
    const page = 2 ** 24 * (1 + random.below(3)) + 512 * random.below(64);
    if (random.below(4) === 0) spaces[0]!.munmap(page, page + 512 * (1 + random.below(32)));
    else {
      const frame = spaces.reduce((at: number, space) => space.ensure(at), page);
      expect(walker.walk(page)).toBe(frame);
    }
    after(walker);
  }
}

const livingArbitrary = fc.tuple(fc.constantFrom(...inVms), fc.constantFrom(0, 0.5, 1), fc.nat());

describe('contiguous memory from the hypervisor', () => {
  it.each(['pvdmt', 'asap'] as const)('costs a hypercall for each request and return, and hypervisor: %s', (name) => {
    fc.assert(
      fc.property(livingArbitrary, ([setup, unusable, seed]) => {
        if (!(designs.get(name).setups as readonly string[]).includes(setup)) return;
        const { design, asked } = watched((name === 'asap' ? asap : pvdmt) as Design);
        liveIn(setup, design, unusable, seed, ({ stage }) =>
          expect(stage.result().counters.hypercalls).toBe(asked.hypercalls),
        );
        expect(asked.hypercalls).toBeGreaterThan(0);
      }),
      { numRuns: 12 },
    );
  });

  it('is entered in the table of areas as long as it is held, with its owner and its length', () => {
    fc.assert(
      fc.property(livingArbitrary, ([setup, unusable, seed]) => {
        const { design, asked } = watched(pvdmt as Design);
        liveIn(setup, design, unusable, seed, ({ stage }) => {
          const { gteas, sets, held } = asked;
          const granted = sets
            .slice(0, -1)
            .flatMap(({ teas }, owner) => teas.filter(isGranted).map((tea) => ({ owner, ...tea })));
          expect(gteas!.areas).toBe(granted.length);
          expect(held).toBe(granted.reduce((sum, { length }) => sum + length, 0));
          for (const { owner, length, frames } of granted) {
            expect(gteas!.check(frames.id, owner, length - 1)).toBe(frames.hostFrame + length - 1);
            expect(gteas!.check(frames.id, owner, length)).toBe(-1);
            expect(gteas!.check(frames.id, owner + 1, 0)).toBe(-1);
          }
          expect(stage.result().counters.isolationRefusals).toBe(0);
        });
      }),
      { numRuns: 12 },
    );
  });

  it('is not read where the table refuses it: the guest’s own address is translated instead', () => {
    const { design, asked } = watched(pvdmt as Design);
    const { spaces, pages } = singlePage([1, 2].map(() => ({ levels: 4, leaf: 1 }) as const));
    const walker = testWalker({ design, setup: 'virtualized', spaces, machine: bareWalker });
    const { vpn, frame } = pages[0]!;
    expect(walker.walk(vpn)).toBe(frame);
    expect(walker.answers().filter(({ awaited }) => awaited)).toHaveLength(2);
    // Another guest’s from now on, as if the number had been forged.
    const { id, hostFrame } = asked.sets[0]!.teas.find(isGranted)!.frames;
    asked.gteas!.revoke(id);
    walker.walk(vpn);
    expect(walker.answers().filter(({ awaited }) => awaited).length).toBeGreaterThanOrEqual(3);
    expect(walker.stage.result().counters).toMatchObject({ isolationChecks: 2, isolationRefusals: 1 });
    expect(hostFrame).toBeGreaterThanOrEqual(0);
  });
});

function isGranted(tea: Tea): tea is Tea & { readonly frames: { readonly id: number; readonly hostFrame: number } } {
  return tea.frames.id !== undefined;
}
