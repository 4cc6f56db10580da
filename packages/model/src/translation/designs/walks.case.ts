import { expect } from 'vitest';
import { resolve } from '../../machine/fields.ts';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import type { AddressSpace } from '../../machine/page-table.ts';
import { createRandom } from '../../machine/random.ts';
import { resolveTranslationConfig } from '../config.ts';
import { type Design, dimensionsOf, type Setup } from '../design.ts';
import type { DesignMemoryOptions } from '../design-memory.ts';
import { cacheBiasOf, createDesignStage, type DesignStage } from '../design-stage.ts';
import { createMachineParts } from '../machine-parts.ts';
import { type Answer, RecordingMemory } from '../walk-memory.ts';

const none = { level5: { entries: 0 }, level4: { entries: 0 }, level3: { entries: 0 }, level2: { entries: 0 } };
/** A machine whose walker has no caches beside it. */
export const bareWalker = { pageWalkCaches: none, hostPageWalkCaches: none, nestedTlb: { entries: 0 } };

export interface TestWalker {
  readonly stage: DesignStage;
  /** Walks for a page, of process 0 unless said; returns its frame. */
  walk(vpn: number, process?: number): number;
  /** What the last walk read, in order. */
  answers(): readonly Answer[];
  /** Cycles of the last walk. */
  cycles(): number;
}

export interface TestWalkerOptions {
  readonly design: Design;
  readonly setup: Setup;
  readonly spaces: readonly AddressSpace[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly machine?: Readonly<Record<string, unknown>>;
  readonly memories?: readonly DesignMemoryOptions[];
}

/** A design alone, its references on record. */
export function testWalker({
  design,
  setup,
  spaces,
  options = {},
  machine = {},
  memories = [],
}: TestWalkerOptions): TestWalker {
  const config = resolveTranslationConfig({
    setup,
    machine: { cores: 1, prefetcher: 'none', ...machine },
  });
  const parts = createMachineParts({ ...config, engine: 'interpreted' }, spaces[0]!.table.levels);
  const resolved = resolve(design.spec, options);
  const caches = parts.createCaches(cacheBiasOf(design, resolved));
  const memory = new RecordingMemory(caches, caches.latencyCycles);
  const stage = createDesignStage(
    { setup, cores: parts.cores, walkerMachine: parts.walkerMachine, memories },
    { design, options: resolved, caches, createStore: parts.createStores(), memory },
  );
  stage.addProcess(spaces);
  return {
    stage,
    walk(vpn, process = 0) {
      memory.begin(0);
      memory.answers.length = 0;
      return stage.instances[process]!.walk(vpn);
    },
    answers: () => memory.answers,
    cycles: () => memory.cycles,
  };
}

/** The design, and the spaces that its last instance was given: with the memory that it takes for tables of its own. */
export function watchedSpaces(design: Design): { readonly design: Design; spaces(): readonly AddressSpace[] } {
  let spaces: readonly AddressSpace[] = [];
  const create: Design['create'] = (spec, resources) => {
    spaces = resources.spaces;
    return design.create(spec, resources);
  };
  return { design: { ...design, create }, spaces: () => spaces };
}

/** The page that a table maps to that frame; a frame that nothing leads to is a mistake. */
export function pageOf({ table }: AddressSpace, frame: number): number {
  let page = -1;
  table.forEachLeaf((vpn, first, level) => {
    const offset = frame - first;
    if (offset >= 0 && offset < 512 ** (level - 1)) page = vpn + offset;
  });
  if (page < 0) throw new Error(`no page leads to frame ${frame}`);
  return page;
}

/** A reference as a naive walker foresees it: `page` names the 4 KiB of a table that it falls into, without knowing its address. */
export interface ForeseenReference {
  readonly label: string;
  readonly page: string;
  readonly byteOffset: number;
}

/** Compares walks with what is foreseen; names and frames of table pages must correspond one to one over all walks. */
export function createForesight(): (answers: readonly Answer[], foreseen: readonly ForeseenReference[]) => void {
  const frames = new Map<string, number>();
  const names = new Map<number, string>();
  return (answers, foreseen) => {
    expect(answers.map(({ label, byteOffset }) => ({ label, byteOffset }))).toEqual(
      foreseen.map(({ label, byteOffset }) => ({ label, byteOffset })),
    );
    for (const [index, { frame }] of answers.entries()) {
      const { page } = foreseen[index]!;
      expect(frames.get(page) ?? frame, `frame of ${page}`).toBe(frame);
      expect(names.get(frame) ?? page, `what lies in frame ${frame}`).toBe(page);
      frames.set(page, frame);
      names.set(frame, page);
    }
  };
}

/**
 * Two processes on a living system: faults, unmapping, migration, collapses into 2 MiB pages and splits in every dimension, between walks of
 * which each must give the frame that the tables say.
 */
export function followLivingSystem(
  design: Design,
  setup: Setup,
  options: Readonly<Record<string, unknown>> = {},
): TestWalker {
  const dimensions = Array.from({ length: dimensionsOf[setup] }, () => ({
    pages: 'thp' as const,
    memoryBytes: 2 ** 33,
    unusable: 0.5,
  }));
  const { spaces, addProcess } = createAddressSpaces(dimensions, createRandom(3));
  const processes = [spaces, addProcess()];
  // The default machine has no nested TLB.
  const machine = { nestedTlb: { entries: 64, ways: 4 } };
  const walker = testWalker({ design, setup, spaces, options, machine });
  walker.stage.addProcess(processes[1]!);
  const random = createRandom(9);
  const base = 0x7f000;
  for (const [process] of processes) process!.mmap(base, base + 4096);
  for (let round = 0; round < 600; round++) {
    const page = base + random.below(4096);
    const number = random.below(2);
    const changed = random.below(6) === 0 ? random.below(spaces.length) : 0;
    const space = processes[number]![changed]!;
    const at = processes[number]!.slice(0, changed).reduce((vpn: number, above) => above.ensure(vpn), page);
    const what = random.below(12);
    if (what === 0 && changed === 0) space.munmap(page, page + 1 + random.below(600));
    else if (what === 1) space.migrate(at);
    else if (what === 2) space.collapseSome();
    else {
      const expected = processes[number]!.reduce((vpn: number, below) => below.ensure(vpn), page);
      expect(walker.walk(page, number)).toBe(expected);
    }
  }
  return walker;
}
