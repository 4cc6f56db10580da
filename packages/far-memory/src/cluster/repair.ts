import { setImmediate as nextTurn } from 'node:timers/promises';
import { countBits, heaviest, placementOf, weightOf } from './placement.ts';
import { readObject } from './reads.ts';
import { type ClusterState, type Member, setHolders, usable } from './state.ts';

/** Brings every object back to its number of replicas, in the background. */
export interface Repairer {
  readonly isRunning: boolean;
  /** Something changed: an agent died, came, or came back. */
  schedule(): void;
  /** Resolves when nothing is left to do for now. */
  settled(): Promise<void>;
}

/** Copies under way at once, objects and bytes. */
const maxCopies = 32;
const maxCopyBytes = 16 * 2 ** 20;

export function createRepairer(state: ClusterState): Repairer {
  let running: Promise<void> | undefined;
  let isDue = false;

  async function run(): Promise<void> {
    while (isDue && !state.isClosed) {
      isDue = false;
      await nextTurn();
      await copyAll(unsettledObjects(state));
    }
    running = undefined;
  }

  async function copyAll(objects: readonly ObjectName[]): Promise<void> {
    const underWay = new Set<Promise<void>>();
    let bytes = 0;
    for (const object of objects) {
      if (state.isClosed) return;
      while (underWay.size >= maxCopies || (bytes > 0 && bytes + object.size > maxCopyBytes))
        await Promise.race(underWay);
      bytes += object.size;
      const copy: Promise<void> = settleObject(state, object).finally(() => {
        bytes -= object.size;
        underWay.delete(copy);
      });
      underWay.add(copy);
    }
    await Promise.all(underWay);
  }

  return {
    get isRunning() {
      return running !== undefined;
    },
    schedule() {
      isDue = true;
      running ??= run();
    },
    async settled() {
      while (running !== undefined) await running;
    },
  };
}

interface ObjectName {
  readonly group: number;
  readonly id: number;
  readonly size: number;
}

function unsettledObjects(state: ClusterState): readonly ObjectName[] {
  const { directory, replicas } = state;
  const up = usable(state).any;
  const wanted = Math.min(replicas, countBits(up));
  const found: ObjectName[] = [];
  directory.forEach((row) => {
    const reachable = countBits(directory.get('holders', row) & up);
    if (reachable > 0 && (reachable < wanted || reachable > replicas))
      found.push({ group: directory.groupOf(row), id: directory.idOf(row), size: directory.get('size', row) });
  });
  return found;
}

/** Copies one object to the agents that should have it, or takes it off those that need not. Failures are left to the next round. */
async function settleObject(state: ClusterState, { group, id, size }: ObjectName): Promise<void> {
  const { directory, members, replicas, seeds } = state;
  const row = directory.find(group, id);
  if (row < 0 || directory.get('size', row) !== size) return;
  const version = directory.get('version', row);
  const up = usable(state).any;
  const reachable = directory.get('holders', row) & up;
  const placement = placementOf(group, id);
  if (countBits(reachable) > replicas) return takeOff(state, row, lightest(placement, seeds, reachable));
  const missing = Math.min(replicas, countBits(up)) - countBits(reachable);
  if (missing <= 0 || reachable === 0) return;
  const bytes = Buffer.allocUnsafeSlow(size);
  try {
    await readObject(state, group, id, bytes, 'prefetch');
  } catch {
    return;
  }
  // A newer version that came meanwhile has been written to enough agents itself.
  if (directory.find(group, id) < 0 || directory.get('version', directory.find(group, id)) !== version) return;
  let candidates = up & ~reachable;
  for (let left = missing; left > 0 && candidates !== 0; left--) {
    const target = members[heaviest(placement, seeds, candidates)]!;
    candidates &= ~target.bit;
    await copyTo(state, target, group, id, version, bytes);
  }
}

function copyTo(
  state: ClusterState,
  target: Member,
  group: number,
  id: number,
  version: number,
  bytes: Uint8Array,
): Promise<void> {
  return new Promise((resolve) => {
    target.link.write({
      group,
      id,
      version,
      bytes,
      settle(error) {
        resolve();
        if (error !== undefined) return;
        const { directory } = state;
        const row = directory.find(group, id);
        // Freed or overwritten meanwhile: the copy is not wanted.
        if (row < 0 || directory.get('version', row) !== version) target.link.free({ group, id, version });
        else setHolders(state, row, directory.get('holders', row) | target.bit, directory.get('size', row));
      },
    });
  });
}

function takeOff(state: ClusterState, row: number, from: number): void {
  const { directory, members } = state;
  const member = members[from]!;
  member.link.free({ group: directory.groupOf(row), id: directory.idOf(row), version: directory.get('version', row) });
  setHolders(state, row, directory.get('holders', row) & ~member.bit, directory.get('size', row));
}

function lightest(placement: number, seeds: readonly number[], among: number): number {
  const candidates = seeds.map((seed, index) => ({ index, weight: weightOf(placement, seed) }));
  return candidates.filter(({ index }) => (among & (1 << index)) !== 0).sort((a, b) => a.weight - b.weight)[0]!.index;
}
