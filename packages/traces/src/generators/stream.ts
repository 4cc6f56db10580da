import {
  type AccessBlock,
  AccessKind,
  blockCapacity,
  createBlock,
  createRandom,
  flag,
  integer,
  resolve,
  type Spec,
  type ValuesOf,
} from '@strata/model/machine';
import type { ReadOptions, TraceReader, TraceSummary } from '../reader.ts';
import { selectRows } from '../rows.ts';
import { createTurns } from '../turns.ts';
import { type Emitter, operationAccesses } from './generator.ts';
import { generators } from './registry.ts';

const instructionBytes = 4;
const copyBytes = 4096;
const mostInstructionsPerAccess = 16;

/** What every generator takes besides its own parameters. */
export const commonSpec = {
  accesses: integer(1_000_000, 'accesses to generate, instruction fetches included', { unit: 'accesses' }),
  seed: integer(1, 'seed of all random choices'),
  base: integer(2 ** 44, 'address of the first byte of data', { unit: 'bytes', max: 2 ** 46 }),
  instructions: flag(false, 'also fetch the instructions of the loop'),
  instructionsPerAccess: integer(3, 'instructions per data access, the accessing one included', {
    min: 1,
    max: mostInstructionsPerAccess,
  }),
  codeBytes: integer(4096, 'code over which the loop is spread, as copies of which each operation runs one', {
    unit: 'bytes',
    min: 4096,
    max: 2 ** 40,
  }),
  codeBase: integer(2 ** 22, 'address of the first byte of code', { unit: 'bytes', max: 2 ** 46 }),
} satisfies Spec;

/** Everything that can be set for the generator of that name. @throws StrataError `registry.unknown-name` */
export function generatorSpec(name: string): Spec {
  return { ...generators.get(name).spec, ...commonSpec };
}

/**
 * Opens a generator as a trace: it can be used wherever a trace can. The same name, values and seed give the same accesses.
 * @param given values of `generatorSpec(name)`; what is absent takes its default
 * @throws StrataError `registry.unknown-name`, `config.*`
 */
export function openGenerator(
  name: string,
  given: Readonly<Record<string, unknown>> = {},
  options: ReadOptions = {},
): TraceReader {
  const generator = generators.get(name);
  const own = resolve(
    generator.spec,
    only(given, (key) => !(key in commonSpec)),
    name,
  );
  const common = resolve(
    commonSpec,
    only(given, (key) => key in commonSpec),
    name,
  );
  const counts = { loads: 0, stores: 0, fetches: 0 };
  const wanted = Math.min(options.limit ?? Infinity, Math.max(0, common.accesses - (options.skip ?? 0)));

  async function* blocks(): AsyncIterableIterator<AccessBlock> {
    const random = createRandom(common.seed);
    const code = random.fork();
    const operation = generator.create(own, random, common.base);
    const block = createBlock(
      blockCapacity + operationAccesses * (mostInstructionsPerAccess + 1),
      options.columns?.pc ? { pc: true } : {},
    );
    const emitter = createEmitter(block, common);
    const copies = Math.floor(common.codeBytes / copyBytes);
    const turn = createTurns(options.signal);
    let skipped = 0;
    const toSkip = options.skip ?? 0;
    for (let left = wanted; left > 0; ) {
      await turn();
      block.length = 0;
      while (block.length < blockCapacity) {
        if (copies > 1) emitter.enter(code.below(copies));
        operation(emitter);
      }
      if (skipped < toSkip || left < block.length)
        skipped += selectRows(block, { skip: toSkip - skipped, keep: left, events: false });
      if (block.length === 0) {
        options.onSkipped?.(skipped);
        continue;
      }
      left -= block.length;
      count(block);
      yield block;
    }
  }

  function count({ kind, length }: AccessBlock): void {
    for (let row = 0; row < length; row++) {
      if (kind[row] === AccessKind.load) counts.loads++;
      else if (kind[row] === AccessKind.store) counts.stores++;
      else counts.fetches++;
    }
  }

  const total = () => counts.loads + counts.stores + counts.fetches;
  const summary: TraceSummary = {
    format: 'generated',
    dialect: generatorText(name, given),
    compression: [],
    prefetches: 0,
    dropped: new Map(),
    threads: [0],
    processes: [0],
    warnings: [],
    get accesses() {
      return total();
    },
    get loads() {
      return counts.loads;
    },
    get stores() {
      return counts.stores;
    },
    get fetches() {
      return counts.fetches;
    },
  };
  return { summary, blocks, progress: () => (wanted === 0 ? 1 : total() / wanted), close: async () => {} };
}

/** Emits into the block; `enter` moves to a copy of the code. */
function createEmitter(
  block: AccessBlock,
  common: ValuesOf<typeof commonSpec>,
): Emitter & { enter(copy: number): void } {
  const siteBytes = instructionBytes * common.instructionsPerAccess;
  const { lo, hi, kind, size, pcLo, pcHi } = block;
  let codeAt = common.codeBase;

  function row(address: number, of: number, bytes: number, pc: number): void {
    const at = block.length++;
    // The shift takes the address modulo 2^32.
    lo[at] = address >>> 0;
    hi[at] = address / 2 ** 32;
    kind[at] = of;
    size[at] = bytes;
    if (pcLo === undefined || pcHi === undefined) return;
    pcLo[at] = pc >>> 0;
    pcHi[at] = pc / 2 ** 32;
  }

  function access(address: number, of: number, bytes: number, site: number): void {
    const first = codeAt + site * siteBytes;
    const last = first + (common.instructionsPerAccess - 1) * instructionBytes;
    if (common.instructions)
      for (let index = 0, pc = first; index < common.instructionsPerAccess; index++, pc += instructionBytes)
        row(pc, AccessKind.fetch, instructionBytes, pc);
    row(address, of, bytes, last);
  }

  return {
    load: (address, bytes, site) => access(address, AccessKind.load, bytes, site),
    store: (address, bytes, site) => access(address, AccessKind.store, bytes, site),
    enter(copy) {
      codeAt = common.codeBase + copy * copyBytes;
    },
  };
}

function only(given: Readonly<Record<string, unknown>>, keep: (key: string) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([key]) => keep(key)));
}

/** The text that `openGeneratorText` reads back: `gen:gups,size=1073741824,seed=42`. */
export function generatorText(name: string, given: Readonly<Record<string, unknown>>): string {
  return ['gen:', name, ...Object.entries(given).map(([key, value]) => `,${key}=${String(value)}`)].join('');
}
