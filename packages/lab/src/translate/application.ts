import { readFile } from 'node:fs/promises';
import { StrataError } from '@strata/model/machine';
import type { TranslationResult } from '@strata/model/translation';
import { perfFigures, type WalkCycleEvent } from '@strata/model/translation/compat';
import { parseWalkCounters, type WalkCounters } from '@strata/traces/counters';

/** What was measured, as the documents of both modes print it. */
export interface PerfDocument {
  /** Event that counted the cycles of walks. */
  readonly event: WalkCycleEvent;
  /** Share of the run spent in page walks, 0 to 1: walk_pending / (2 x cycles), two walkers per core; walk_active and walk_duration / cycles. */
  readonly walkOverhead: number;
  /** The event / walk_completed, a lower bound of walk_active; null when completed walks were not counted. */
  readonly walkLatencyCycles: number | null;
  readonly durationSeconds?: number;
}

/** Walk counters from a file: `perf-*.short`, or what `perf stat` prints. @throws StrataError `perf.*`, `compat.*` */
export async function readWalkCounters(path: string): Promise<WalkCounters> {
  return parseWalkCounters(await textOf(path), path);
}

export function perfDocument(counters: WalkCounters): PerfDocument {
  const { walkOverhead, walkLatencyCycles } = perfFigures(counters);
  const { durationSeconds } = counters;
  return {
    event: counters.walkCycles.event,
    walkOverhead,
    walkLatencyCycles: counters.walksCompleted > 0 ? walkLatencyCycles : null,
    ...(durationSeconds === undefined ? {} : { durationSeconds }),
  };
}

/**
 * Speedup of the whole program when walks become `walkSpeedup` times as fast: 1 / ((1 - overhead) + overhead / walkSpeedup), the formula of the
 * DMT artifact. Null without walks.
 */
export function applicationSpeedup(walkOverhead: number, walkSpeedup: number | null): number | null {
  return walkSpeedup === null ? null : 1 / (1 - walkOverhead + walkOverhead / walkSpeedup);
}

/** The result with what it means for the program that the counters were measured on. */
export function withApplicationSpeedups(result: TranslationResult, counters: WalkCounters) {
  const perf = perfDocument(counters);
  return {
    ...result,
    perf,
    designs: Object.fromEntries(
      Object.entries(result.designs).map(([name, design]) => [
        name,
        {
          ...design,
          applicationSpeedup: applicationSpeedup(perf.walkOverhead, design.speedup),
          applicationSpeedupWithMaintenance: applicationSpeedup(perf.walkOverhead, design.speedupWithMaintenance),
        },
      ]),
    ),
  };
}

export async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new StrataError({
      code: 'compat.unreadable',
      what: 'cannot read the file',
      where: path,
      ...(error instanceof Error ? { found: error.message } : {}),
    });
  }
}
