import { entryBytes, type Frame, hexAddress, indexAt, type Vpn } from '../machine/address.ts';
import { StrataError } from '../machine/errors.ts';
import { resolve } from '../machine/fields.ts';
import { type AddressSpace, entryKind, entryTarget } from '../machine/page-table.ts';
import type { Registry } from '../machine/registry.ts';
import type { TranslationConfig } from './config.ts';
import { designMemories } from './demand-spaces.ts';
import type { Design, Setup } from './design.ts';
import { cacheBiasOf, createDesignStage, wrongFrame } from './design-stage.ts';
import { designs as knownDesigns } from './designs/index.ts';
import { createMachineParts } from './machine-parts.ts';
import { type Answer, RecordingMemory } from './walk-memory.ts';

const whereNames = ['memory', 'l1', 'l2', 'llc'] as const;

/** One reference of a walk. Addresses are hexadecimal text, since they have up to 64 bits. */
export interface ExplainedReference {
  /** `guest L4`, `host L3 for guest L4`, ... */
  readonly label: string;
  /** Space whose table is read (0 = the process) and the table's level; null for tables that a design keeps for itself. */
  readonly dimension: number | null;
  readonly level: number | null;
  /** Address of that table in the space that it lies in; null as above. */
  readonly table: string | null;
  /** Host-physical address that is read. */
  readonly address: string;
  readonly where: (typeof whereNames)[number];
  readonly cycles: number;
  /** Whether the walk waited for it alone; false for one of several at once, and for prefetches. */
  readonly awaited: boolean;
  /** Where the entry leads: the next table or the page, in the space that the table lies in; null as above. */
  readonly target: string | null;
}

export interface Explanation {
  readonly setup: Setup;
  readonly design: string;
  readonly virtualAddress: string;
  /** Host-physical address that it is translated to. */
  readonly physicalAddress: string;
  readonly references: readonly ExplainedReference[];
  /** Cycles beside those of awaited references: look-ups in walk caches and the like. */
  readonly otherCycles: number;
  /** Of the whole walk. */
  readonly cycles: number;
}

export interface ExplainOptions {
  /** Name of the design. Parameters are those of the configuration, else the defaults. */
  readonly design: string;
  readonly vpn: Vpn;
  /** Byte in the page. Default 0. */
  readonly offset?: number;
  /** Pages walked for before, to warm caches up. Default none: everything is cold. */
  readonly before?: readonly Vpn[];
}

/**
 * One walk, reference by reference, by the same design on the same caches as in a simulation.
 * @throws StrataError `translation.not-mapped`, `registry.unknown-name`
 */
export function explainWalk(
  config: TranslationConfig,
  spaces: readonly AddressSpace[],
  { design: name, vpn, offset = 0, before = [] }: ExplainOptions,
  registry: Registry<Design> = knownDesigns,
): Explanation {
  const machine = createMachineParts({ ...config, engine: 'interpreted' }, spaces[0]!.table.levels);
  const design = registry.get(name);
  const options = config.designs[name] ?? resolve(design.spec);
  const caches = machine.createCaches(cacheBiasOf(design, options));
  const memory = new RecordingMemory(caches, caches.latencyCycles);
  const stage = createDesignStage(
    {
      cores: machine.cores,
      walkerMachine: machine.walkerMachine,
      setup: config.setup,
      memories: designMemories(config),
      seed: config.seed,
    },
    {
      design,
      options,
      caches,
      memory,
      createStore: machine.createStores(),
    },
  );
  stage.addProcess(spaces);
  const instance = stage.instances[0]!;
  let frame: Frame = 0;
  for (const page of [...before, vpn]) {
    const expected = touch(spaces, page);
    memory.begin(0);
    memory.answers.length = 0;
    frame = instance.walk(page);
    if (frame !== expected) throw wrongFrame(name, page, frame, expected);
  }
  const entries = entriesOnTheWay(spaces, vpn);
  const references = memory.answers.map((answer) => referenceOf(answer, entries));
  const awaited = references.reduce((sum, reference) => sum + (reference.awaited ? reference.cycles : 0), 0);
  return {
    setup: config.setup,
    design: name,
    virtualAddress: hexAddress(vpn, offset),
    physicalAddress: hexAddress(frame, offset),
    references,
    otherCycles: memory.cycles - awaited,
    cycles: memory.cycles,
  };
}

/** Maps the page in every dimension if need be; returns its host frame. */
function touch(spaces: readonly AddressSpace[], vpn: Vpn): Frame {
  let page: number = vpn;
  for (const [dimension, space] of spaces.entries()) {
    const frame = space.ensure(page);
    if (frame < 0)
      throw new StrataError({
        code: 'translation.not-mapped',
        what: `${hexAddress(page)} is not mapped in the table of dimension ${dimension}`,
        mend: dimension === 0 ? 'Give an address that the tables map.' : 'Give host tables that back the whole guest.',
      });
    page = frame;
  }
  return page;
}

interface EntryOnTheWay {
  readonly dimension: number;
  readonly level: number;
  readonly table: string;
  readonly target: string;
}

/** Every entry that a walk over the spaces' own tables can read, by its host-physical address. */
function entriesOnTheWay(spaces: readonly AddressSpace[], vpn: Vpn): Map<string, EntryOnTheWay> {
  const entries = new Map<string, EntryOnTheWay>();

  /** Notes the walk for `page` of a dimension, and those for its tables; returns the host frame. */
  function follow(dimension: number, page: number): number {
    const space = spaces[dimension];
    if (space === undefined) return page;
    const { table } = space;
    for (let level: number = table.levels; level >= 1; level--) {
      const node = table.nodeAt(page, level);
      if (node < 0) break;
      const index = indexAt(page, level);
      const entry = table.entry(node, index);
      const target = entryKind(entry) === 1 ? table.frameOf(entryTarget(entry)) : entryTarget(entry);
      const hostFrame = follow(dimension + 1, table.frameOf(node));
      entries.set(hexAddress(hostFrame, index * entryBytes), {
        dimension,
        level,
        table: hexAddress(table.frameOf(node)),
        target: hexAddress(target),
      });
    }
    return follow(dimension + 1, table.translate(page));
  }

  follow(0, vpn);
  return entries;
}

function referenceOf(answer: Answer, entries: ReadonlyMap<string, EntryOnTheWay>): ExplainedReference {
  const address = hexAddress(answer.frame, answer.byteOffset);
  const { dimension, level, table, target } = entries.get(address) ?? inDesignsOwnTable(answer);
  const { label, cycles, awaited } = answer;
  return { label, dimension, level, table, address, where: whereNames[answer.where]!, cycles, awaited, target };
}

/** What can be said of an entry in a table that the design keeps for itself: its page, and the level that the label names, if any. */
function inDesignsOwnTable({ label, frame }: Answer): Omit<EntryOnTheWay, 'dimension' | 'level' | 'target'> & {
  readonly dimension: null;
  readonly level: number | null;
  readonly target: null;
} {
  const named = /\bL([1-5])\b/.exec(label);
  return { dimension: null, level: named === null ? null : Number(named[1]), table: hexAddress(frame), target: null };
}
