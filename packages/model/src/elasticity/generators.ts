import { integer, real, resolve, type Spec, type ValuesOf } from '../machine/fields.ts';
import { createRandom, type Random } from '../machine/random.ts';
import { createRegistry, type Named, type Registry } from '../machine/registry.ts';
import type { Demand } from './demand.ts';
import { mibPerGib } from './units.ts';

export const demandGeneratorFields = {
  minutes: real(50, 'length', { unit: 'min', min: 0.1, max: 100_000 }),
  totalGib: real(16, 'size of the VM', { unit: 'GiB', min: 0.25, max: 65_536 }),
  everySeconds: real(2, 'time between two samples', { unit: 's', min: 0.1, max: 3600 }),
  seed: integer(42, 'seed'),
} satisfies Spec;

type Values = ValuesOf<typeof demandGeneratorFields>;

/** Demand shaped like a kind of work; invented curves, not recordings. */
export interface DemandGenerator extends Named {
  /** Pages in use and frames in use as shares of the VM, at a share of the whole time. */
  start(random: Random): (progress: number) => { readonly used: number; readonly frames: number };
}

/** A random walk around 0 that forgets: what jobs that come and go add up to. */
function createWobble(random: Random, memory: number): () => number {
  let value = 0;
  return () => {
    value = memory * value + (1 - memory) * (random.unit() * 2 - 1) * 3;
    return Math.max(-1, Math.min(1, value));
  };
}

const compile: DemandGenerator = {
  name: 'compile',
  summary: 'parallel compiler jobs, a linker peak towards the end, a page cache that grows, then idle',
  start(random) {
    const wobble = createWobble(random, 0.9);
    return (progress) => {
      const busy = progress < 0.8;
      const jobs = busy ? 0.28 + 0.1 * wobble() : 0.02;
      const linker = progress > 0.6 && progress < 0.75 ? 0.3 * Math.abs(wobble()) : 0;
      const used = Math.min(0.95, jobs + linker + 0.2 * Math.min(1, progress / 0.8));
      return { used, frames: Math.min(0.98, used + 0.12 + 0.08 * Math.min(1, progress * 2)) };
    };
  },
};

const blender: DemandGenerator = {
  name: 'blender',
  summary: 'three renderings with a large, steady working set and idle time between them',
  start: () => (progress) => {
    const phase = (progress * 3) % 1;
    const used = phase < 0.58 ? Math.min(0.47, 0.05 + phase * 4) : 0.05;
    return { used, frames: used + 0.02 };
  },
};

const cache: DemandGenerator = {
  name: 'cache',
  summary: 'a page cache that fills the VM and is dropped once',
  start: () => (progress) => {
    const used = progress < 0.75 ? Math.min(0.92, 0.08 + progress * 1.3) : 0.1;
    return { used, frames: Math.min(0.97, used + (progress < 0.75 ? 0.03 : 0.25)) };
  },
};

const idle: DemandGenerator = {
  name: 'idle',
  summary: 'a booted system that does next to nothing',
  start(random) {
    const wobble = createWobble(random, 0.98);
    return () => {
      const used = 0.06 + 0.01 * wobble();
      return { used, frames: used + 0.02 };
    };
  },
};

export const demandGenerators: Registry<DemandGenerator> = createRegistry<DemandGenerator>('demand generator', [
  compile,
  blender,
  cache,
  idle,
]);

/** @throws StrataError `registry.unknown-name`, `config.*` */
export function generateDemand(name: string, given: unknown = {}): Demand {
  const generator = demandGenerators.get(name);
  const values: Values = resolve(demandGeneratorFields, given, `gen:${name}`);
  const totalMib = values.totalGib * mibPerGib;
  const samples = Math.max(2, Math.floor((values.minutes * 60) / values.everySeconds) + 1);
  const step = generator.start(createRandom(values.seed));
  const usedMib = new Float64Array(samples);
  const usedHugeMib = new Float64Array(samples);
  for (let at = 0; at < samples; at++) {
    const { used, frames } = step(at / (samples - 1));
    usedMib[at] = used * totalMib;
    usedHugeMib[at] = frames * totalMib;
  }
  return {
    name: `gen:${name}`,
    seconds: Float64Array.from({ length: samples }, (_, at) => at * values.everySeconds),
    usedMib,
    usedHugeMib,
    totalMib,
    allocator: 'buddy',
    recorded: undefined,
  };
}
