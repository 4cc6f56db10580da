import {
  entryBytes,
  type Frame,
  indexAt,
  type PageLevel,
  pageBytes,
  pagesIn,
  pagesPerEntry,
  type Vpn,
} from '../../machine/address.ts';
import { integer } from '../../machine/fields.ts';
import { type DesignResources, defineDesign, type WalkCache } from '../design.ts';
import { createRadixWalker } from '../walker.ts';
import { walkDimensions } from './radix.ts';
import { prefixOf, ShadowTree } from './shadow-tree.ts';

const exitSource = 'assumed, as for shadow paging: an exit and the software that decodes and applies it';

/** What an entry leads to: a node of the shadow table, a guest's node by its host address, a guest's node by its guest address. */
const Pointer = { shadow: 0, switching: 1, guest: 2 } as const;
type Pointer = (typeof Pointer)[keyof typeof Pointer];

/**
 * Agile paging (Gandhi, Hill and Swift, ISCA 2016). A walk begins in a shadow table and, at an entry that is marked, goes on in the guest's
 * own table, whose host address the marked entry holds; from there on every address is translated by the host's table. References: 4 all
 * in shadow, then 8, 12, 16, 20 the higher up the switch lies.
 *
 * Policy: every node starts in shadow, where each store of the guest to it traps. A node that is stored to `switchUpdates` times within an
 * interval goes over to nested mode, with all below it; one that nothing was stored to for a whole interval comes back.
 * Falls back: to the guest's tables, as above; such walks are not covered. What is assumed: `assumptions`.
 */
export const agile = defineDesign({
  name: 'agile',
  summary: 'shadow paging that switches to nested paging, within one walk, where the guest changes its tables often',
  source: 'Gandhi, Hill and Swift, Agile Paging, ISCA 2016',
  setups: ['virtualized'],
  assumptions: [
    'Every process begins all in shadow. Shadowing is never given up altogether, so no walk takes the 24 references of nested paging: a switch at the root takes 20, as the root of the guest has a known host address.',
    'Intervals of the policy are counted in walks, since a trace has no times.',
    'A change of mode flushes the walk caches of the process; the policy’s own scan of dirty bits is free.',
    'Only stores of leaf entries trap; that a guest links a new table into a shadowed one above costs no exit.',
  ],
  spec: {
    switchUpdates: integer(2, 'stores to a node within one interval that move it to nested mode', {
      min: 1,
      source: 'assumed',
    }),
    intervalWalks: integer(100_000, 'walks of an interval', { min: 1, unit: 'walks', source: 'assumed' }),
    updateCycles: integer(2500, 'cost of one store of the guest to a shadowed node', {
      unit: 'cycles',
      source: exitSource,
    }),
    fillCycles: integer(2500, 'cost of the exit that fills one missing entry', { unit: 'cycles', source: exitSource }),
    switchCycles: integer(5000, 'cost of moving a node from one mode to the other', {
      unit: 'cycles',
      source: exitSource,
    }),
  },
  counters: {
    updates: 'stores of the guest to shadowed nodes, each an exit',
    fills: 'entries of the shadow table filled on a miss, each an exit',
    drops: 'entries of the shadow table dropped because a mapping went away',
    toNested: 'nodes that went over to nested mode',
    toShadow: 'nodes that came back to shadow mode',
    switchedWalks: 'walks that switched to the tables of the guest',
  },
  create(spec, resources) {
    const { spaces, count } = resources;
    const guest = spaces[0]!.table;
    const host = spaces[1]!.table;
    const shadow = new ShadowTree(guest.levels, spaces[1]!.frames);
    const modes = createModes(guest.levels);
    const walker = new AgileWalker(resources, shadow);
    let walks = 0;

    function fill(vpn: Vpn): void {
      if (shadow.leafLevel(vpn) !== 0) return;
      const middle: number = guest.translate(vpn);
      const level = Math.min(guest.leafLevel(vpn), host.leafLevel(middle)) as PageLevel;
      shadow.map(vpn, host.translate(middle), level);
      count.fills++;
    }

    /** The guest stores an entry into its node of that level. */
    function store(vpn: Vpn, level: number): void {
      modes.touch(vpn, level);
      if (modes.switchLevel(vpn, level) > 0 || !shadow.has(vpn, level)) return;
      count.updates++;
      if (modes.countUpdate(vpn, level) < spec.switchUpdates) return;
      modes.toNested(vpn, level);
      shadow.cut(vpn, level);
      walker.flush();
      count.toNested++;
    }

    function endInterval(): void {
      const returned = modes.endInterval();
      count.toShadow += returned;
      if (returned > 0) walker.flush();
    }

    return {
      walk(vpn) {
        if (++walks % spec.intervalWalks === 0) endInterval();
        const level = modes.switchLevel(vpn, guest.leafLevel(vpn));
        if (level === 0) fill(vpn);
        else count.switchedWalks++;
        return walker.walk(vpn, level);
      },
      mapped(dimension, vpn, _frame, level) {
        if (dimension === 0) store(vpn, level);
      },
      unmapped(dimension, vpn, frame, level) {
        if (dimension === 0) {
          store(vpn, level);
          count.drops += shadow.dropRange(vpn, pagesIn[level]);
          // What shadowed a huge page in smaller ones shadows no table of the guest.
          if (level > 1) shadow.cut(vpn, level - 1);
        } else {
          const dropped = shadow.dropFrames(frame, pagesIn[level]);
          count.drops += dropped;
          // The leaves may come back in another size.
          if (dropped > 0) walker.flush();
        }
        walker.forget(dimension, vpn, level);
      },
      rewritten(dimension, vpn, _frame, level) {
        if (dimension === 0) store(vpn, level);
      },
      // A fork stores to every entry; those whose table is shadowed trap, until their node goes over to nested mode.
      writeProtected(dimension) {
        if (dimension === 0) guest.forEachLeaf((vpn, _frame, level) => store(vpn, level));
      },
      nodeFreed(dimension, level, vpn) {
        if (dimension !== 0) return;
        modes.forget(vpn, level);
        shadow.cut(vpn, level);
      },
      tableBytes: () => (guest.nodes + host.nodes + shadow.nodes) * pageBytes,
      maintenanceCycles: () =>
        count.updates * spec.updateCycles +
        count.fills * spec.fillCycles +
        (count.toNested + count.toShadow) * spec.switchCycles,
      coveredWalks: () => walks - count.switchedWalks,
    };
  },
});

interface Modes {
  /** Highest level, down to `lowest`, of a node on the way to `vpn` that is in nested mode; 0 = none. */
  switchLevel(vpn: Vpn, lowest: number): number;
  toNested(vpn: Vpn, level: number): void;
  /** The node was stored to, seen by whoever keeps dirty bits. */
  touch(vpn: Vpn, level: number): void;
  /** One more trapped store to the node in this interval; returns how many there were. */
  countUpdate(vpn: Vpn, level: number): number;
  /** Takes nodes that were not stored to back to shadow mode; returns how many. */
  endInterval(): number;
  forget(vpn: Vpn, level: number): void;
}

function createModes(levels: number): Modes {
  const perLevel = <T>(make: () => T): T[] => Array.from({ length: levels + 1 }, make);
  const nested = perLevel(() => new Set<number>());
  const touched = perLevel(() => new Set<number>());
  const updates = perLevel(() => new Map<number, number>());
  return {
    switchLevel(vpn, lowest) {
      for (let level = levels; level >= lowest; level--)
        if (nested[level]!.size > 0 && nested[level]!.has(prefixOf(vpn, level))) return level;
      return 0;
    },
    toNested: (vpn, level) => nested[level]!.add(prefixOf(vpn, level)),
    touch(vpn, level) {
      // A store below a node in nested mode keeps that node there, too.
      for (let above = level; above <= levels; above++) touched[above]!.add(prefixOf(vpn, above));
    },
    countUpdate(vpn, level) {
      const prefix = prefixOf(vpn, level);
      const counted = (updates[level]!.get(prefix) ?? 0) + 1;
      updates[level]!.set(prefix, counted);
      return counted;
    },
    endInterval() {
      let returned = 0;
      for (const [level, prefixes] of nested.entries()) {
        for (const prefix of prefixes) {
          if (touched[level]!.has(prefix)) continue;
          prefixes.delete(prefix);
          returned++;
        }
        touched[level]!.clear();
        updates[level]!.clear();
      }
      return returned;
    },
    forget(vpn, level) {
      nested[level]!.delete(prefixOf(vpn, level));
      updates[level]!.delete(prefixOf(vpn, level));
    },
  };
}

/** The walk over the shadow table and, from the level of the switch on, over the guest's and the host's tables. */
class AgileWalker {
  private readonly resources: DesignResources;
  private readonly shadow: ShadowTree;
  private readonly host: ReturnType<typeof createRadixWalker>;
  private readonly nestedTlb: WalkCache | undefined;
  /** By level of the entries held, to what they lead to. */
  private readonly caches: readonly (WalkCache | undefined)[];
  private readonly shadowSteps: readonly number[];
  private readonly guestSteps: readonly number[];
  /** What leads to the node at which a walk begins. */
  private pointer: Pointer = Pointer.shadow;

  constructor(resources: DesignResources, shadow: ShadowTree) {
    this.resources = resources;
    this.shadow = shadow;
    const { walkerMachine, spaces } = resources;
    this.host = createRadixWalker(resources, [walkDimensions(resources)[1]!]);
    this.nestedTlb = walkerMachine.nestedTlb && resources.walkCache('host nested TLB', walkerMachine.nestedTlb);
    const { levels } = spaces[0]!.table;
    this.caches = Array.from({ length: levels + 1 }, (_, level) => {
      const geometry = level >= 2 ? walkerMachine.pageWalkCaches[level] : undefined;
      return geometry && resources.walkCache(`L${level}`, geometry);
    });
    const steps = (name: string) =>
      Array.from({ length: levels + 1 }, (_, level) => resources.step(`${name} L${level}`));
    this.shadowSteps = steps('shadow');
    this.guestSteps = steps('guest');
  }

  /** @param switchLevel level of the guest's node that the walk switches to; 0 = none, and the shadow table has a leaf for the page */
  walk(vpn: Vpn, switchLevel: number): Frame {
    const guest = this.resources.spaces[0]!.table;
    const leafLevel = switchLevel === 0 ? this.shadow.leafLevel(vpn) : 0;
    const { leafFrame } = this.shadow;
    let level = this.start(vpn, switchLevel);
    let { pointer } = this;
    for (; ; level--) {
      if (pointer === Pointer.shadow) {
        this.read(this.shadow.nodeFrame(vpn, level), vpn, level, this.shadowSteps);
        if (level === leafLevel) return leafFrame;
        pointer = level - 1 === switchLevel ? Pointer.switching : Pointer.shadow;
      } else {
        this.read(this.guestNode(vpn, level, pointer), vpn, level, this.guestSteps);
        if (level === guest.leafLevel(vpn)) return this.translate(guest.translate(vpn));
        pointer = Pointer.guest;
      }
      this.caches[level]?.insert(keyOf(vpn, level), pointer);
    }
  }

  /** Level at which the walk begins: below the deepest entry that a walk cache holds, else at the root. Sets `pointer`. */
  private start(vpn: Vpn, switchLevel: number): number {
    const { levels } = this.resources.spaces[0]!.table;
    for (let level = 2; level <= levels; level++) {
      const pointer = this.caches[level]?.lookup(keyOf(vpn, level)) ?? -1;
      if (pointer < 0) continue;
      this.resources.memory.wait(this.resources.walkerMachine.pageWalkCacheCycles);
      this.pointer = pointer as Pointer;
      return level - 1;
    }
    this.pointer = switchLevel === levels ? Pointer.switching : Pointer.shadow;
    return levels;
  }

  /** Host frame of the guest's node: known to the entry that switches, else translated. */
  private guestNode(vpn: Vpn, level: number, pointer: Pointer): Frame {
    const [guest, host] = this.resources.spaces;
    const frame: number = guest!.table.frameOf(guest!.table.nodeAt(vpn, level));
    return pointer === Pointer.switching ? host!.table.translate(frame) : this.translate(frame);
  }

  private translate(page: number): Frame {
    const { nestedTlb, resources } = this;
    if (nestedTlb === undefined) return this.host.walk(page);
    resources.memory.wait(resources.walkerMachine.nestedTlbCycles);
    const hit = nestedTlb.lookup(page);
    if (hit >= 0) return hit;
    const frame = this.host.walk(page);
    nestedTlb.insert(page, frame);
    return frame;
  }

  private read(frame: Frame, vpn: Vpn, level: number, steps: readonly number[]): void {
    this.resources.memory.read(frame, indexAt(vpn, level) * entryBytes, steps[level]!);
  }

  /** The leaf at `vpn` of that dimension is gone. */
  forget(dimension: number, vpn: number, level: PageLevel): void {
    if (dimension === 0) {
      for (const [cached, cache] of this.caches.entries()) cache?.invalidate(keyOf(vpn, cached));
      return;
    }
    this.host.forget(0, vpn, level);
    if (level === 1) this.nestedTlb?.invalidate(vpn);
    else this.nestedTlb?.clear();
  }

  flush(): void {
    for (const cache of this.caches) cache?.clear();
  }
}

function keyOf(vpn: Vpn, level: number): number {
  return Math.floor(vpn / pagesPerEntry[level]!);
}
