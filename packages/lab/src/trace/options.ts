import type { OpenOptions } from '@strata/traces';
import type { Command } from 'commander';
import type { Progress } from '../terminal/progress.ts';
import { parseCount, parseSample } from '../terminal/quantities.ts';

/** The options that `addReadingOptions` gives a command. */
export interface ReadingOptions {
  readonly format?: string;
  readonly columns?: string;
  readonly skip?: string;
  readonly limit?: string;
  readonly sample?: string;
  readonly allowTruncated?: boolean;
}

export function addReadingOptions(command: Command): Command {
  return command
    .option('--format <name>', 'read as this format instead of recognising it (strata trace formats)')
    .option('--columns <names>', 'columns of a CSV or TSV file in order, such as addr,kind,pc')
    .option('--skip <count>', 'accesses to leave out at the start')
    .option('--limit <count>', 'accesses to read at most')
    .option('--sample <length/period>', 'only the first length accesses of each period, such as 1e5/1e7')
    .option('--allow-truncated', 'read a truncated trace as far as it goes');
}

/** @throws StrataError `usage.count` */
export function openOptionsOf(options: ReadingOptions, signal: AbortSignal, progress: Progress): OpenOptions {
  const skip = options.skip === undefined ? undefined : parseCount(options.skip, '--skip');
  return {
    onSkipped: (done) => progress.update({ label: 'skipping', done, total: skip }),
    signal,
    columns: { pc: true, physical: true },
    ...(options.format === undefined ? {} : { format: options.format }),
    ...(options.columns === undefined ? {} : { fields: options.columns }),
    ...(skip === undefined ? {} : { skip }),
    ...(options.limit === undefined ? {} : { limit: parseCount(options.limit, '--limit') }),
    ...(options.sample === undefined ? {} : { sample: parseSample(options.sample) }),
    ...(options.allowTruncated ? { allowTruncated: true } : {}),
  };
}
