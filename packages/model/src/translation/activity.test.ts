import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DemandSpace } from '../machine/operating-system/index.ts';
import { createActiveSimulation } from './activity.ts';
import { resolveTranslationConfig } from './config.ts';
import { demandSpaces } from './demand-spaces.ts';
import { designs } from './designs/index.ts';
import { createSimulation } from './simulate.ts';
import { randomTrace, split } from './traces.case.ts';

const length = 2500;

const busy = {
  unmaps: 5000,
  migrations: 5000,
  splits: 5000,
  khugepagedScans: 2000,
  forks: 2000,
  contextSwitches: 4000,
  processes: 3,
};

/** The same spaces, which do not say beforehand that they will change: the simulation keeps nothing until later. */
function silenced() {
  const known = new Map<DemandSpace, DemandSpace>();
  return (space: DemandSpace): DemandSpace => {
    const silent = known.get(space) ?? Object.create(space, { beforeChange: { value: undefined } });
    known.set(space, silent);
    return silent;
  };
}

function run(given: Record<string, unknown>, cuts: readonly number[] = [], seen = (space: DemandSpace) => space) {
  const config = resolveTranslationConfig({ page: 'thp', warmup: 500, ...given });
  const build = demandSpaces(config);
  const built: (readonly DemandSpace[])[] = [];
  const spacesOf = (process: number) => {
    while (built.length <= process) built.push(build(built.length).map(seen));
    return built[process]!;
  };
  const plain = createSimulation(config, spacesOf);
  const simulation = createActiveSimulation(config, spacesOf, plain);
  for (const block of split(randomTrace(5, length, 2), cuts)) simulation.feed(block);
  return { result: simulation.finish(), activity: simulation.activity() };
}

describe('activity of operating systems', () => {
  it('is the plain simulation where every rate is 0', () => {
    const config = resolveTranslationConfig({ page: 'thp', warmup: 500 });
    const build = demandSpaces(config);
    const plain = createSimulation(config, build);
    for (const block of split(randomTrace(5, length, 2), [])) plain.feed(block);
    expect(run({})).toEqual({ result: plain.finish(), activity: undefined });
  });

  it('takes place as often as asked for, copies what is stored to after a fork, and switches processes', () => {
    const { result, activity } = run({ activity: busy });
    for (const kind of ['unmaps', 'migrations', 'splits', 'khugepagedScans', 'forks', 'contextSwitches'] as const) {
      const expected = busy[kind] * (length / 1e6);
      expect(activity![kind]).toBeGreaterThan(expected / 3);
      expect(activity![kind]).toBeLessThan(expected * 3);
    }
    expect(activity!.copyOnWrites).toBeGreaterThan(0);
    expect(result.trace.processes).toBeGreaterThan(2);
    expect(result.tlb.shootdowns).toBeGreaterThan(0);
    expect(result.spaces[0]!.bytesMigrated).toBeGreaterThan(0);
  });

  it('does not depend on where blocks are split, and repeats itself', () => {
    const whole = run({ activity: busy });
    fc.assert(
      fc.property(fc.array(fc.nat(length), { maxLength: 6 }), (cuts) => {
        expect(run({ activity: busy }, cuts)).toEqual(whole);
      }),
      { numRuns: 2 },
    );
  });

  it('is walked for as it was before each change, however long designs wait', () => {
    const given = { setup: 'virtualized', designs: ['shadow', 'ecpt', 'dmt'], activity: busy };
    const cuts = [300, 900, 901, 1700];
    expect(run(given, cuts)).toEqual(run(given, cuts, silenced()));
  });

  it('differs with the seed', () => {
    expect(run({ activity: busy, seed: 1 }).activity).not.toEqual(run({ activity: busy, seed: 2 }).activity);
  });

  it.each(['native', 'virtualized', 'nested'] as const)('leaves every design right, %s', (setup) => {
    const names = [...designs].filter((design) => design.setups.includes(setup)).map(({ name }) => name);
    // Scans of hypervisors are in the tests of each design (designs/os-events.test.ts).
    expect(run({ setup, designs: names, activity: { ...busy, khugepagedScans: 0 } }).result.walks).toBeGreaterThan(0);
  });
});
