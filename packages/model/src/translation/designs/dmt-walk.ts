import { entryBytes, type Frame, guestPage, indexAt, pagesPerEntry, type Vpn } from '../../machine/address.ts';
import type { DesignResources, WalkCache, WalkMemory } from '../design.ts';
import type { RadixWalker } from '../walker.ts';
import type { GteaTable } from './gtea.ts';
import { type Tea, type TeaSet, unitOf } from './tea.ts';

/** The register file of one dimension: which TEAs the walking core can use. */
export interface Registers {
  /** Whether the TEA's register is loaded; loads it where it is not. False when another one had to make room: this walk falls back. */
  holds(tea: Tea): boolean;
  /** All that fit are loaded, as a context switch does. */
  reload(core: number): void;
}

/** Areas of a set have numbers below this; in a key the turn stands above. */
const areaNumbers = 2 ** 26;
/** Turns that keys tell apart; long before they come round, an entry has made room. */
const turnNumbers = 2 ** 20;

/**
 * A core's registers are overwritten at a context switch: an entry stands under the turn of the process on its core, so that those of an
 * earlier turn do not count, and make room first.
 */
export function createRegisters(
  registers: number,
  set: TeaSet,
  cache: WalkCache,
  memory: WalkMemory,
  loaded: () => void,
): Registers {
  const turns: number[] = [];
  const turnOf = (core: number): number => turns[core] ?? 0;
  return {
    holds(tea) {
      const key = turnOf(memory.core) * areaNumbers + tea.id;
      if (cache.lookup(key) >= 0) return true;
      cache.insert(key, 0);
      loaded();
      return set.teas.length <= registers;
    },
    reload(core) {
      turns[core] = (turnOf(core) + 1) % turnNumbers;
      for (const tea of set.teas.slice(0, registers)) {
        cache.insert(turnOf(core) * areaNumbers + tea.id, 0);
        loaded();
      }
    },
  };
}

/** One dimension of a machine with DMT. */
export interface DmtDimension {
  readonly name: string;
  readonly set: TeaSet;
  readonly registers: Registers;
  /** Walks from this dimension down as radix does. */
  readonly fallback: RadixWalker;
  /** Areas that the lowest hypervisor handed out; absent where nothing is paravirtualized. */
  readonly gteas?: { readonly table: GteaTable; readonly owner: number };
}

/** What walks share. */
export interface DmtState {
  readonly registerCycles: number;
  readonly isolationCycles: number;
  /** Whether the walk so far was served without falling back. */
  direct: boolean;
  readonly count: Record<WalkCounter, number>;
}

export const walkCounters = {
  fallbacks: 'walks, of a page in one dimension, that no register and area could serve',
  registerLoads: 'registers loaded: after context switches, for new areas, and in place of others',
  isolationChecks: "look-ups in the hypervisor's table of areas",
  isolationRefusals: 'look-ups that the table refused',
};
export type WalkCounter = keyof typeof walkCounters;

/**
 * The direct walk of one dimension for one purpose: one reference to the entry, whose own place the dimension below translates (unless the
 * hypervisor told it: a gTEA), and then the page below it. 2^n - 1 references in n dimensions; n with gTEAs.
 */
export class DirectWalk {
  private readonly memory: WalkMemory;
  private readonly dimension: DmtDimension;
  private readonly state: DmtState;
  private readonly step: number;
  private readonly forTable: DirectWalk | undefined;
  private readonly forPage: DirectWalk | undefined;

  constructor(
    resources: DesignResources,
    dimensions: readonly DmtDimension[],
    index: number,
    state: DmtState,
    purpose = '',
  ) {
    const { name } = dimensions[index]!;
    const read = name === '' ? 'TEA' : `${name} TEA`;
    const label = purpose === '' ? read : `${read} for ${purpose}`;
    this.memory = resources.memory;
    this.dimension = dimensions[index]!;
    this.state = state;
    this.step = resources.step(label);
    if (index + 1 < dimensions.length) {
      this.forTable = new DirectWalk(resources, dimensions, index + 1, state, label);
      this.forPage = new DirectWalk(resources, dimensions, index + 1, state, purpose === '' ? 'data' : purpose);
    }
  }

  walk(page: Vpn): Frame {
    const { set, registers } = this.dimension;
    if (this.state.registerCycles > 0) this.memory.wait(this.state.registerCycles);
    // The areas of both page sizes are read at once; the entry that is a leaf decides.
    const small = set.find(1, unitOf(page, 1));
    const large = set.find(2, unitOf(page, 2));
    const smallCell = small === undefined || !registers.holds(small) ? 0 : cellIn(set, small, page);
    const largeCell = large === undefined || !registers.holds(large) ? 0 : cellIn(set, large, page);
    if (smallCell > 0) {
      if (large !== undefined) this.probe(large, page);
      return this.through(small!, page, smallCell - 1);
    }
    if (largeCell > 0) {
      if (small !== undefined) this.probe(small, page);
      return this.through(large!, page, largeCell - 1 + (page & (pagesPerEntry[2]! - 1)));
    }
    this.state.direct = false;
    this.state.count.fallbacks++;
    return this.dimension.fallback.walk(page);
  }

  /** Reads the entry and goes on to the page. */
  private through(tea: Tea, page: Vpn, frame: Frame): Frame {
    const table = unitOf(page, tea.level) - tea.start;
    const hostFrame = this.hostFrameOf(tea, table);
    this.memory.read(hostFrame, offsetIn(page, tea), this.step);
    return this.forPage === undefined ? frame : this.forPage.walk(guestPage(frame));
  }

  private hostFrameOf(tea: Tea, table: number): Frame {
    const { frame, hostFrame, id } = tea.frames;
    if (this.forTable === undefined) return frame + table;
    const { gteas } = this.dimension;
    if (gteas !== undefined && hostFrame >= 0 && id !== undefined) {
      this.state.count.isolationChecks++;
      if (this.state.isolationCycles > 0) this.memory.wait(this.state.isolationCycles);
      const checked = gteas.table.check(id, gteas.owner, table);
      if (checked >= 0) return checked;
      this.state.count.isolationRefusals++;
    }
    return this.forTable.walk(guestPage(frame + table));
  }

  /** The read for the other page size goes on beside: it costs bandwidth, not time. Its own translation is left out. */
  private probe(tea: Tea, page: Vpn): void {
    const table = unitOf(page, tea.level) - tea.start;
    const { frame, hostFrame } = tea.frames;
    if (this.forTable === undefined) this.memory.probe(frame + table, offsetIn(page, tea), this.step);
    else if (hostFrame >= 0) this.memory.probe(hostFrame + table, offsetIn(page, tea), this.step);
  }
}

function offsetIn(page: Vpn, { level }: Tea): number {
  return indexAt(page, level) * entryBytes;
}

/** The entry that the TEA holds for the page, as `PageTable.cell`; 0 = absent. */
function cellIn(set: TeaSet, tea: Tea, page: Vpn): number {
  const node = tea.nodes[unitOf(page, tea.level) - tea.start]!;
  return node === 0 ? 0 : set.table.cell(node - 1, indexAt(page, tea.level));
}
