import { type AccessBlock, AccessKind, rowsOfBlock } from '../machine/accesses.ts';
import { pagesIn, type Vpn } from '../machine/address.ts';
import type { DemandSpace } from '../machine/operating-system/index.ts';
import { createRandom, type Random } from '../machine/random.ts';
import { type ActivityKind, activityKinds, isActive } from './activity-config.ts';
import type { TranslationConfig } from './config.ts';
import type { Simulation } from './simulate.ts';
import { canonicalShift } from './tlb-stage.ts';

/** Events that took place, warm-up included. */
export interface ActivityCounts extends Record<ActivityKind, number> {
  /** Events that found nothing to do: no page or huge page there, or no free frame. */
  void: number;
  /** Ranges of 2 MiB that the scans collapsed. */
  collapses: number;
  /** Stores of traced processes to pages that a fork had left to two: copied, or kept where the child has a copy of its own. */
  copyOnWrites: number;
  /** Stores of the children, each a copy. */
  childCopyOnWrites: number;
}

export interface ActiveSimulation extends Simulation {
  /** Undefined when nothing was asked for. */
  activity(): ActivityCounts | undefined;
}

const million = 1_000_000;
/** Keeps events apart from everything else that is drawn from the study's seed. */
const seedOfActivity = 0x6f73;

interface Clock {
  readonly kind: ActivityKind;
  readonly meanDistance: number;
  /** Number of the access before which the event takes place. */
  next: number;
  /** Number of the access whose page it hits, drawn evenly from those since the last one. */
  mark: number;
  vpn: Vpn;
  process: number;
}

/**
 * A simulation during which operating systems act: one pass over the trace, cut where an event takes place. Where blocks are split does not
 * matter. Without activity it is `simulation` itself.
 * @param spacesOf as given to `createSimulation`
 */
export function createActiveSimulation(
  { activity, seed, spaces: { process: own } }: Pick<TranslationConfig, 'activity' | 'seed' | 'spaces'>,
  spacesOf: (process: number) => readonly DemandSpace[],
  simulation: Simulation,
): ActiveSimulation {
  const { restartCounts, finish } = simulation;
  if (!isActive(activity))
    return {
      feed: simulation.feed,
      restartCounts,
      finish,
      get progress() {
        return simulation.progress;
      },
      activity: () => undefined,
    };
  const random = createRandom(seed + seedOfActivity * 2 ** 32);
  const counts: ActivityCounts = {
    unmaps: 0,
    migrations: 0,
    splits: 0,
    khugepagedScans: 0,
    forks: 0,
    contextSwitches: 0,
    void: 0,
    collapses: 0,
    copyOnWrites: 0,
    childCopyOnWrites: 0,
  };
  const clocks = activityKinds
    .filter((kind) => activity[kind] > 0)
    .map(
      (kind): Clock =>
        wound({ kind, meanDistance: million / activity[kind], next: 0, mark: 0, vpn: -1, process: 0 }, 0),
    );
  /** Child of each process that has forked. */
  const children = new Map<number, DemandSpace>();
  const copies = activity.contextSwitches > 0 ? activity.processes : 1;
  const shift = canonicalShift[spacesOf(0)[0]!.table.levels];
  // Pages of one size throughout are unmapped whole, as hugetlbfs has it.
  const whole = own.page === '2m' ? pagesIn[2] : own.page === '1g' ? pagesIn[3] : 1;
  const unmapPages = Math.ceil(activity.unmapPages / whole) * whole;
  let running = 0;
  let accesses = 0;
  let nextCut = earliest();

  function wound(clock: Clock, now: number): Clock {
    const distance = 1 + Math.floor(random.unit() * (2 * clock.meanDistance - 1));
    clock.next = now + distance;
    clock.mark = now + random.below(distance);
    return clock;
  }

  function earliest(): number {
    return clocks.reduce(
      (first, { next, mark, vpn }) => Math.min(first, vpn < 0 ? mark : next),
      Number.POSITIVE_INFINITY,
    );
  }

  /** Marks and events that are due before this access. */
  function act(block: AccessBlock, row: number): void {
    for (const clock of clocks) {
      if (clock.vpn < 0 && clock.mark <= accesses) {
        clock.vpn = pageOf(block, row);
        clock.process = processOf(block, row);
      }
      if (clock.next > accesses) continue;
      // Only a process that runs can fork.
      if (clock.kind === 'forks') clock.process = processOf(block, row);
      counts[clock.kind]++;
      if (!perform(clock)) counts.void++;
      wound(clock, accesses);
      clock.vpn = -1;
    }
    nextCut = earliest();
  }

  /** False when there was nothing to do. */
  function perform({ kind, vpn, process }: Clock): boolean {
    const spaces = spacesOf(process);
    const self = spaces[0]!;
    if (kind === 'contextSwitches') {
      running = (running + 1) % copies;
      return copies > 1;
    }
    if (kind === 'forks') {
      children.get(process)?.exit();
      children.set(
        process,
        self.fork(() => {}),
      );
      return true;
    }
    if (kind === 'khugepagedScans') {
      const collapsed = spaces[random.below(spaces.length)]!.collapseSome();
      counts.collapses += collapsed;
      return collapsed > 0;
    }
    if (self.table.leafLevel(vpn) === 0) return false;
    if (kind === 'unmaps') {
      const start = vpn - (vpn % unmapPages);
      self.munmap(start, start + unmapPages);
      return true;
    }
    const { space, page } = below(spaces, vpn, random);
    return kind === 'splits' ? space.split(page) : space.migrate(page) >= 0;
  }

  function processOf(block: AccessBlock, row: number): number {
    return block.process[row]! * copies + running;
  }

  /** -1 for an address that is not canonical: no page is there to be hit. */
  function pageOf({ hi, lo }: AccessBlock, row: number): Vpn | -1 {
    const sign = hi[row]! >> shift;
    return sign === 0 || sign === -1 ? hi[row]! * 2 ** 20 + (lo[row]! >>> 12) : -1;
  }

  /** Copies what a store hits of pages that a fork protects. */
  function copyOnWrite(block: AccessBlock, from: number, row: number): boolean {
    const first = pageOf(block, row);
    const process = processOf(block, row);
    const space = spacesOf(process)[0]!;
    const pages = ((block.lo[row]! & 4095) + Math.max(1, block.size[row]!) + 4095) >>> 12;
    let fed = false;
    for (let vpn = first; first >= 0 && vpn < first + pages; vpn++) {
      if (!space.isWriteProtected(vpn)) continue;
      // What was accessed before the store is walked before the page moves.
      if (!fed) feedRows(block, from, row);
      fed = true;
      const child = children.get(process);
      if (child?.isWriteProtected(vpn) === true && random.unit() < activity.childStores) {
        child.storeTo(vpn);
        counts.childCopyOnWrites++;
      }
      space.storeTo(vpn);
      counts.copyOnWrites++;
    }
    return fed;
  }

  function feedRows(block: AccessBlock, from: number, to: number): void {
    if (from === to) return;
    const rows = rowsOfBlock(block, from, to);
    simulation.feed(
      copies === 1 ? rows : { ...rows, process: rows.process.map((process) => process * copies + running) },
    );
  }

  return {
    restartCounts,
    finish,
    get progress() {
      return simulation.progress;
    },
    feed(block) {
      let from = 0;
      for (let row = 0; row < block.length; row++) {
        const kind = block.kind[row]!;
        if (kind > AccessKind.prefetch) continue;
        if (accesses >= nextCut) {
          feedRows(block, from, row);
          from = row;
          act(block, row);
        }
        if (kind === AccessKind.store && children.size > 0 && copyOnWrite(block, from, row)) from = row;
        accesses++;
      }
      feedRows(block, from, block.length);
    },
    activity: () => counts,
  };
}

/** The page in one of the dimensions, each as likely as the others. */
function below(spaces: readonly DemandSpace[], vpn: Vpn, random: Random): { space: DemandSpace; page: number } {
  const dimension = random.below(spaces.length);
  let page: number = vpn;
  for (let above = 0; above < dimension; above++) page = spaces[above]!.table.translate(page);
  return { space: spaces[dimension]!, page };
}
