import type { AccessBlock } from '@strata/model/machine';
import { openTrace, type ReadOptions } from '@strata/traces';
import type { StudyContext } from '../studies/study.ts';
import type { InputValues } from './configuration.ts';
import { createWindowFilter } from './window.ts';

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
    ...(filter === undefined ? {} : { events: true }),
    skip: input.skip,
    allowTruncated: input.allowTruncated,
    ...(input.limit > 0 ? { limit: input.limit } : {}),
    ...(input.format === '' ? {} : { format: input.format }),
  });
  let done = 0;
  try {
    for await (const block of reader.blocks()) {
      filter?.apply(block);
      visit(block);
      done += block.length;
      if (signal.aborted) break;
      progress.update({ done, total: input.limit > 0 ? input.limit : undefined, share: reader.progress() });
      // Lets Ctrl-C in between blocks of a generator, which never waits for input.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!signal.aborted) filter?.end();
    return [...reader.summary.warnings, ...droppedNotes(reader.summary.dropped)];
  } finally {
    await reader.close();
  }
}

function droppedNotes(dropped: ReadonlyMap<string, number>): string[] {
  return [...dropped].map(([reason, count]) => `${count.toLocaleString('en-US')} records left out: ${reason}`);
}
