import { flatten } from '@strata/model/machine';
import { createSimulation, resolveTranslationConfig } from '@strata/model/translation';
import { openTrace } from '@strata/traces';
import { generatorSpec, parseSettings } from '@strata/traces/generators';
import type { Configuration } from '../config/load.ts';
import { formatBytes, formatCount, formatDuration } from '../terminal/quantities.ts';
import type { Row } from '../terminal/table.ts';
import { type InputValues, isSampled, split } from './configuration.ts';
import { designsWith } from './plugin.ts';
import { prepareSpaces } from './spaces.ts';
import { ofTables } from './tables-input.ts';

/** What a simulation would take, from a trial of its beginning. */
export interface DryRun {
  readonly accesses: number;
  /** Whether the trial met the end of the trace; else the count is extrapolated from the share of the input that was read. */
  readonly accessesExact: boolean;
  /** Accesses of the trial, per second of simulation with all designs. */
  readonly accessesPerSecond: number;
  /** accesses / accessesPerSecond x simulations / workers, and the time to load page tables */
  readonly seconds: number;
  readonly simulations: number;
  /** Resident at the end of the trial, and tables that grow on as they did in its second half: an upper estimate. Per worker. */
  readonly memoryBytes: number;
  /** Of the run folder; 0 without --out. */
  readonly diskBytes: number;
}

export interface DryRunOptions {
  readonly simulations?: number;
  readonly workers?: number;
  /** Whether a run folder would be written. */
  readonly writes?: boolean;
}

/** Of processor time, or of the clock where others use the processor too. */
const trialMilliseconds = { processor: 1500, clock: 5000 };
/** A run folder of one simulation: report, three figures with data and specification, tables. Measured: 190 kB. */
const folderBytes = 200_000;
/** A point in a sweep's tables and statistics. Measured on a sweep of 16 points: 15 kB each. */
const pointBytes = 15_000;

/** Simulates the beginning of a configuration's trace for a second or two and extrapolates. Nothing is written. */
export async function dryRun(
  resolved: Configuration,
  signal: AbortSignal,
  options: DryRunOptions = {},
): Promise<DryRun> {
  const { input, rest } = split(resolved);
  const { simulations = input.seeds, workers = 1, writes = false } = options;
  const loading = performance.now();
  // In compat mode the machine's simulation stands for the original's.
  const designs = designsWith(input.plugin);
  const config = resolveTranslationConfig(input.mode === 'compat' ? { setup: rest.setup } : rest, designs);
  const prepared = await ofTables(prepareSpaces(input.mode === 'compat' ? { ...input, page: '4k' } : input, config));
  const simulation = createSimulation(config, (process) => prepared.of(process), designs);
  const loadSeconds = (performance.now() - loading) / 1000;
  const reader = await openTrace(input.trace, {
    skip: input.skip,
    allowTruncated: input.allowTruncated,
    ...(input.limit > 0 ? { limit: input.limit } : {}),
    ...(input.format === '' ? {} : { format: input.format }),
  });
  try {
    const trial = createTrial(() => simulation.finish().spaces.reduce((sum, space) => sum + space.tableBytes, 0));
    let ended = true;
    for await (const block of reader.blocks()) {
      simulation.feed(block);
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      if (!trial.goesOn(block.length)) {
        ended = false;
        break;
      }
    }
    const { done, rate, bytesPerAccess } = trial.end();
    const accesses = ended ? done : extrapolated(done, input.skip, reader.progress(), input.limit);
    const growth = Math.min(bytesPerAccess * (accesses - done), mostTableBytes(input.trace));
    return {
      accesses,
      accessesExact: ended,
      accessesPerSecond: Math.round(rate),
      seconds:
        (simulations * (loadSeconds + (rate === 0 ? 0 : (accesses * simulatedShare(input, config.warmup)) / rate))) /
        Math.min(workers, simulations),
      simulations,
      memoryBytes: Math.round(process.memoryUsage.rss() + growth),
      diskBytes: writes ? folderBytes + pointBytes * ((options.simulations ?? 1) - 1) : 0,
    };
  } finally {
    await reader.close();
  }
}

/** What --sample leaves out is only read. */
function simulatedShare(input: InputValues, warmup: number): number {
  return isSampled(input) ? (warmup + input.sample.length) / input.sample.period : 1;
}

/**
 * Measures from the middle of a trial to its end: the first half pays for compilation and for the first touch of everything. A trial that
 * ends with its trace is measured whole.
 */
function createTrial(tableBytes: () => number) {
  const clock = performance.now();
  const processor = process.cpuUsage();
  /** Share of the trial that is over. */
  const share = () => {
    const { user, system } = process.cpuUsage(processor);
    return Math.max(
      (user + system) / 1000 / trialMilliseconds.processor,
      (performance.now() - clock) / trialMilliseconds.clock,
    );
  };
  let done = 0;
  let middle: { done: number; time: number; bytes: number } | undefined;
  return {
    goesOn(accesses: number): boolean {
      done += accesses;
      if (middle === undefined && share() > 0.5) middle = { done, time: performance.now(), bytes: tableBytes() };
      return share() < 1;
    },
    end() {
      const from = middle !== undefined && middle.done < done ? middle : { done: 0, time: clock, bytes: 0 };
      const seconds = Math.max(1e-6, (performance.now() - from.time) / 1000);
      const counted = Math.max(1, done - from.done);
      return { done, rate: counted / seconds, bytesPerAccess: (tableBytes() - from.bytes) / counted };
    },
  };
}

/** A generator says how much memory its workload has: three dimensions of tables, and as much again for a design's own. */
function mostTableBytes(trace: string): number {
  if (!trace.startsWith('gen:')) return Number.POSITIVE_INFINITY;
  const [name = '', ...settings] = trace.slice('gen:'.length).split(',');
  const size = flatten(generatorSpec(name)).find(({ path }) => path === 'size')?.field;
  const bytes = parseSettings(name, settings).size ?? (size?.kind === 'integer' ? size.default : undefined);
  return typeof bytes === 'number' ? (bytes / 4096) * 8 * 3 * 2 : Number.POSITIVE_INFINITY;
}

/** The reader says which share of the input it has consumed; what was skipped is part of that share. */
function extrapolated(done: number, skipped: number, share: number | undefined, limit: number): number {
  const all = share === undefined || share <= 0 ? done : Math.round((done + skipped) / share) - skipped;
  return limit > 0 ? Math.min(limit, Math.max(done, all)) : Math.max(done, all);
}

export function dryRunRows(dry: DryRun): Row[] {
  const { accesses, accessesExact, accessesPerSecond, seconds, simulations, memoryBytes, diskBytes } = dry;
  return [
    { would: 'accesses', value: `${accessesExact ? '' : 'about '}${formatCount(accesses)}` },
    ...(simulations > 1 ? [{ would: 'simulations', value: String(simulations) }] : []),
    { would: 'rate', value: `${formatCount(accessesPerSecond)} accesses per second, measured on the beginning` },
    { would: 'expected time', value: formatDuration(seconds) },
    { would: 'memory', value: `at most ${formatBytes(memoryBytes)} per worker` },
    { would: 'disk', value: diskBytes === 0 ? 'none without --out' : `about ${formatBytes(diskBytes)}` },
  ];
}
