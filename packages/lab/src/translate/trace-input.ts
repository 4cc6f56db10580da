import { type AccessBlock, rowsOfBlock } from '@strata/model/machine';
import { openTrace, type ReadOptions, type TraceReader } from '@strata/traces';
import type { StudyContext } from '../studies/study.ts';
import { isInterruption } from '../terminal/interrupt.ts';
import type { InputValues } from './configuration.ts';
import { createWindowFilter } from './window.ts';

/** Accesses after which the progress line appears: it shows that the simulation has begun, before a block of a slow trace is through. */
const firstAccesses = 256;

/** Reads the trace of a study block by block, with progress, until its end or an interrupt. Returns the reader's warnings. */
export async function eachBlock(
  input: InputValues,
  options: ReadOptions,
  { signal, progress }: StudyContext,
  visit: (block: AccessBlock) => void,
): Promise<readonly string[]> {
  const filter = input.window < 0 ? undefined : createWindowFilter(input.window, input.trace);
  const reader = await openTrace(input.trace, {
    ...options,
    signal,
    ...(filter === undefined ? {} : { events: true }),
    skip: input.skip,
    onSkipped: (accesses) => progress.update({ label: 'skipping', done: accesses, total: input.skip }),
    allowTruncated: input.allowTruncated,
    ...(input.limit > 0 ? { limit: input.limit } : {}),
    ...(input.format === '' ? {} : { format: input.format }),
  });
  let done = 0;
  try {
    for await (const block of untilInterrupted(reader, signal)) {
      filter?.apply(block);
      const first = done === 0 ? Math.min(firstAccesses, block.length) : 0;
      for (const part of first === 0
        ? [block]
        : [rowsOfBlock(block, 0, first), rowsOfBlock(block, first, block.length)]) {
        visit(part);
        done += part.length;
        progress.update({ done, total: input.limit > 0 ? input.limit : undefined, share: reader.progress() });
      }
    }
    if (!signal.aborted) filter?.end();
    return [...reader.summary.warnings, ...droppedNotes(reader.summary.dropped)];
  } finally {
    await reader.close();
  }
}

/** The blocks of a trace as far as an interrupt lets them come: what was simulated until then is worth having. */
export async function* untilInterrupted(
  reader: TraceReader,
  signal: AbortSignal | undefined,
): AsyncGenerator<AccessBlock> {
  try {
    yield* reader.blocks();
  } catch (error) {
    if (signal?.aborted !== true || !(error === signal.reason || isInterruption(error))) throw error;
  }
}

function droppedNotes(dropped: ReadonlyMap<string, number>): string[] {
  return [...dropped].map(([reason, count]) => `${count.toLocaleString('en-US')} records left out: ${reason}`);
}
