import { describe, expect, it } from 'vitest';
import { createAddressSpaces, type DemandSpace } from '../machine/operating-system/index.ts';
import { createRandom } from '../machine/random.ts';
import { resolveTranslationConfig } from './config.ts';
import { dimensionsOf, type Setup } from './design.ts';
import { createSimulation } from './simulate.ts';
import { blockOf } from './traces.case.ts';

const base = 0x7f0_0000;
const pages = Array.from({ length: 12 }, (_, index) => base + index);

/** Two processes whose pages all are in the TLBs of two cores; `walksOf` says for how many of a process' pages a core walks then. */
function warm(setup: Setup, engine: 'interpreted' | 'printed') {
  const { spaces, addProcess } = createAddressSpaces(
    Array.from({ length: dimensionsOf[setup] }, (_, at) => ({ memoryBytes: 2 ** (30 + at) })),
    createRandom(1),
  );
  const processes = [spaces, addProcess()] as const;
  for (const [self] of processes) self!.mmap(base, base + 1024);
  const config = resolveTranslationConfig({ setup, engine, machine: { cores: 2 } });
  const simulation = createSimulation(config, (process) => processes[process]!);
  const touch = (process: number, thread: number, touched: readonly number[]) =>
    simulation.feed(blockOf(touched.map((page) => ({ address: page * 4096, process, thread: 2 * process + thread }))));
  const walksOf = (process: number): number => {
    const before = simulation.progress.walks;
    for (const thread of [0, 1]) touch(process, thread, mappedIn(processes[process]![0]!));
    return simulation.progress.walks - before;
  };
  for (const process of [0, 1]) for (const thread of [0, 1]) touch(process, thread, pages);
  expect(walksOf(0) + walksOf(1), 'everything is in the TLBs').toBe(0);
  return { processes, walksOf };
}

function mappedIn(space: DemandSpace): number[] {
  return pages.filter((page) => space.table.leafLevel(page) > 0);
}

interface Event {
  readonly what: string;
  readonly happens: (self: DemandSpace) => void;
  /** Pages of the process that have to be walked for anew, by each core. */
  readonly walked: number;
}

const events: readonly Event[] = [
  { what: 'a fork', happens: (self) => void self.fork(() => {}), walked: pages.length },
  { what: 'a page migrates', happens: (self) => void self.migrate(base + 3), walked: 1 },
  { what: 'pages are unmapped', happens: (self) => self.munmap(base + 2, base + 6), walked: 0 },
  {
    what: 'pages are unmapped and touched again',
    happens(self) {
      self.munmap(base + 2, base + 6);
      for (let page = base + 2; page < base + 6; page++) self.ensure(page);
    },
    walked: 4,
  },
  { what: 'the range is collapsed to a huge page', happens: (self) => void self.collapseSome(), walked: 1 },
];

/** An entry that is stale would be used without a walk, and nobody would see it. */
describe.each(['interpreted', 'printed'] as const)('TLB entries, %s', (engine) => {
  it.each(events)('go away when $what, on every core, and no others', ({ happens, walked }) => {
    const { processes, walksOf } = warm('native', engine);
    happens(processes[0][0]!);
    expect(walksOf(0)).toBe(2 * walked);
    expect(walksOf(1), 'the other process').toBe(0);
  });

  it('go away when a huge page is split', () => {
    const { processes, walksOf } = warm('native', engine);
    processes[0][0]!.collapseSome();
    walksOf(0);
    processes[0][0]!.split(base);
    expect(walksOf(0)).toBe(2 * pages.length);
  });

  it('go away when a store after a fork copies the page, or gets its right back', () => {
    for (const ends of [false, true]) {
      const { processes, walksOf } = warm('native', engine);
      const self = processes[0][0]!;
      const child = self.fork(() => {});
      walksOf(0);
      if (ends) child.exit();
      const before = self.table.translate(base + 3);
      self.storeTo(base + 3);
      expect(self.table.translate(base + 3) === before, 'copied unless the child is gone').toBe(ends);
      expect(walksOf(0)).toBe(2);
    }
  });

  it.each(['virtualized', 'nested'] as const)(
    'of every process go away when a hypervisor moves a page, %s',
    (setup) => {
      for (let dimension = 1; dimension < dimensionsOf[setup]; dimension++) {
        const { processes, walksOf } = warm(setup, engine);
        const [list] = processes;
        const page = list.slice(0, dimension).reduce((at: number, space) => space.table.translate(at), base + 3);
        expect(list[dimension]!.migrate(page)).toBeGreaterThan(0);
        expect([walksOf(0), walksOf(1)]).toEqual([2 * pages.length, 2 * pages.length]);
      }
    },
  );
});
