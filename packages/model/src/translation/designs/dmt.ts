import { pageBytes } from '../../machine/address.ts';
import { choice, integer, real, type ValuesOf } from '../../machine/fields.ts';
import { type DesignInstance, type DesignResources, defineDesign } from '../design.ts';
import { createRadixWalker } from '../walker.ts';
import { failedCycles } from './allocation-costs.ts';
import { createRegisters, DirectWalk, type DmtDimension, type DmtState, walkCounters } from './dmt-walk.ts';
import type { GteaTable } from './gtea.ts';
import { walkDimensions } from './radix.ts';
import { type TeaMemory, TeaSet, teaCounters } from './tea.ts';
import { plainMemory } from './tea-memory.ts';

const prototype = 'DMT artifact, linux/mm/hyperlane.c';

export const dmtSpec = {
  registers: integer(16, 'registers per dimension, each for one area', {
    min: 1,
    unit: 'registers',
    source: 'unverified for the hardware; TEA_MAX_CNT of the artifact',
  }),
  areas: integer(
    16,
    'areas per address space; with more areas than registers the least recently used register makes room',
    {
      min: 1,
      unit: 'areas',
      source: `HPL_SEG_LIMIT; ${prototype}`,
    },
  ),
  minVmaMiB: real(64, 'VMAs below this get no area (a recorded table without VMAs: no limit)', {
    min: 0,
    unit: 'MiB',
    source: prototype,
  }),
  mergePercent: integer(98, 'two ranges share an area when they fill at least this much of it', {
    min: 1,
    max: 100,
    unit: '%',
    source: prototype,
  }),
  pageSizes: choice(['4k', '4k+2m'], '4k+2m', 'page sizes that get areas', {
    source: '4k: the artifact; both: unverified, one TEA per page size',
  }),
  vmAreas: choice(
    ['grown', 'whole'],
    'grown',
    "areas of a VM's table: grown with the memory that is touched, or made for all of the VM's memory at once",
    { source: "assumed; the artifact has none for a VM's table" },
  ),
  registerCycles: integer(0, 'cost of asking the register file', {
    unit: 'cycles',
    source: 'DMT artifact, processor/Formula.cs',
  }),
  registerLoadCycles: integer(100, 'cost of loading one register, at a context switch or later', {
    unit: 'cycles',
    source: 'assumed: a write to a model-specific register',
  }),
  moveTableCycles: integer(1500, 'cost of copying one table of 4 KiB and pointing the tree to it', {
    unit: 'cycles',
    source: 'assumed: 4 KiB at 4 bytes per cycle, locks and one store',
  }),
  flushCycles: integer(4000, 'cost of the TLB and walk-cache flush after an area has moved', {
    unit: 'cycles',
    source: 'assumed: one shootdown by interprocessor interrupt',
  }),
  failedCycles,
};
/** The prototype, as far as it goes, is of `specs/translation.md` 5. */
export const dmtAssumptions = [
  'The operating system makes an area for the whole VMA at the first fault in it, as the prototype does; ranges without a known VMA, and tables of VMs unless told otherwise, begin with 8 tables and double.',
  'Areas for 2 MiB pages are made like those for 4 KiB pages, which alone the prototype has. The areas of both sizes are read at once; the one without the entry costs bandwidth, not time.',
  'An area grows in place at its end only; else it moves. The flush after a move is charged; what TLBs and walk caches lose by it is not simulated.',
  'Areas of the stack and areas reserved beyond a VMA by name, special cases of the prototype, are left out.',
  'A larger request for contiguous memory than one that has failed is not tried, but charged, until enough has been given back.',
  'Registers are the core’s own: they are loaded for the process at a context switch, those of VMs stay. A walk that finds its area but not its register loads it, and falls back if another had to make room.',
] as const;

export type DmtSpec = ValuesOf<typeof dmtSpec>;

export const dmtCounters = { ...teaCounters, ...walkCounters };
export type DmtCounter = keyof typeof dmtCounters;

/** What pvDMT adds. */
export interface Paravirtualization {
  readonly isolationCycles: number;
  memoryFor(dimension: number, plain: TeaMemory, table: GteaTable): TeaMemory;
}

export interface DmtInstance extends DesignInstance {
  /** The areas of each dimension. */
  readonly sets: readonly TeaSet[];
}

/** What the processes share of one VM's table. */
interface Shared {
  readonly set: TeaSet;
  readonly registers: DmtDimension['registers'];
}

export function createDmt(
  spec: DmtSpec,
  resources: DesignResources<DmtCounter>,
  gteas: GteaTable | undefined,
  pv?: Paravirtualization,
): DmtInstance {
  const { spaces, count, memory } = resources;
  const last = spaces.length - 1;
  /** By dimension: whether this instance keeps the areas. The process' own always; a VM's only when no other process does. */
  const owned = spaces.map(() => false);

  function createShared(dimension: number): Shared {
    owned[dimension] = true;
    const plain = plainMemory(resources, dimension);
    const set = new TeaSet(
      spaces[dimension]!,
      pv !== undefined && gteas !== undefined && dimension < last ? pv.memoryFor(dimension, plain, gteas) : plain,
      {
        levels: spec.pageSizes === '4k' ? [1] : [1, 2],
        minVmaPages: (spec.minVmaMiB * 2 ** 20) / pageBytes,
        limit: spec.areas,
        mergePercent: spec.mergePercent,
        reserve: dimension === 0 || spec.vmAreas === 'whole',
      },
      count,
    );
    const name = ['process', 'VM', 'L1'][dimension]!;
    const cache = resources.walkCache(`${name} registers`, { sets: 1, ways: spec.registers, policy: 'lru' });
    const loaded = () => {
      count.registerLoads++;
    };
    return { set, registers: createRegisters(spec.registers, set, cache, memory, loaded) };
  }

  const shared: Shared[] = [];
  for (let dimension = last; dimension >= 0; dimension--)
    shared.unshift(resources.shared(spaces[dimension]!, () => createShared(dimension)));
  const walked = walkDimensions(resources).map((one, dimension) => ({ ...one, table: shared[dimension]!.set.table }));
  const dimensions: DmtDimension[] = walked.map(({ name }, dimension) => ({
    name,
    ...shared[dimension]!,
    fallback: createRadixWalker(resources, walked.slice(dimension)),
    ...(gteas !== undefined && dimension < last ? { gteas: { table: gteas, owner: dimension } } : {}),
  }));
  const state: DmtState = {
    registerCycles: spec.registerCycles,
    isolationCycles: pv?.isolationCycles ?? 0,
    direct: true,
    count,
  };
  const direct = new DirectWalk(resources, dimensions, 0, state);
  let covered = 0;

  return {
    sets: shared.map(({ set }) => set),
    walk(vpn) {
      state.direct = true;
      const frame = direct.walk(vpn);
      if (state.direct) covered++;
      return frame;
    },
    switchedIn: (core) => shared[0]!.registers.reload(core),
    mapped(dimension, vpn, _frame, level) {
      if (owned[dimension]) shared[dimension]!.set.mapped(vpn, level);
    },
    unmapped(dimension, vpn, _frame, level) {
      for (let upper = 0; upper <= dimension; upper++)
        dimensions[upper]!.fallback.forget(dimension - upper, vpn, level);
    },
    nodeAllocated(dimension, level, vpn) {
      if (owned[dimension]) shared[dimension]!.set.nodeAllocated(level, vpn);
    },
    nodeFreed(dimension, level, vpn) {
      if (owned[dimension]) shared[dimension]!.set.nodeFreed(level, vpn);
    },
    tableBytes: () => shared.reduce((sum, { set }, dimension) => sum + (owned[dimension] ? set.tableBytes : 0), 0),
    maintenanceCycles: () =>
      count.movedTables * spec.moveTableCycles +
      count.migrated * spec.flushCycles +
      count.allocationFailures * spec.failedCycles +
      count.registerLoads * spec.registerLoadCycles,
    bytesMigrated: () => count.movedTables * pageBytes,
    allocationFailures: () => count.allocationFailures,
    coveredWalks: () => covered,
  };
}

/**
 * Direct Memory Translation. The last-level tables of a VMA lie side by side in a translation entry area (TEA), one per page size, whose
 * place is in one of 16 registers: one reference natively, 3 in a VM (the guest's entry lies at a guest-physical address), 7 in a nested
 * VM. Without an area (a VMA too small, no slot, no contiguous memory) or without its register the walk is radix', over the same tables.
 * What is assumed: `dmtAssumptions`.
 */
export const dmt = defineDesign({
  name: 'dmt',
  summary:
    'last-level tables side by side per VMA: one reference per dimension and translation; radix where there is no area',
  source: `DMT, ASPLOS 2024, abstract; ${prototype}`,
  setups: ['native', 'virtualized', 'nested'],
  assumptions: dmtAssumptions,
  spec: dmtSpec,
  counters: dmtCounters,
  keepsGuestTables: true,
  create: (spec, resources) => createDmt(spec, resources, undefined),
});
