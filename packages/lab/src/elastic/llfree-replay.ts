import {
  createVectorReplay,
  type LLFreeVersion,
  llfreeVersions,
  type Mismatch,
  type VectorReplay,
} from '@strata/model/llfree';
import { StrataError } from '@strata/model/machine';
import { readVectors } from '@strata/traces/llfree';
import { type Command, Option } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { parseCount } from '../terminal/quantities.ts';
import { tableOf } from '../terminal/table.ts';

interface ReplayOptions extends OutputOptions {
  readonly version?: LLFreeVersion;
  readonly frames?: string;
  readonly cores?: string;
}

export interface ReplayResult {
  readonly operations: number;
  /** Operations, and lines of final state, that came out otherwise than recorded. */
  readonly mismatches: number;
  readonly firstMismatch: Mismatch | null;
}

export function registerLLFree(parent: Command): void {
  const command = parent.command('llfree').description('the LLFree page-frame allocator');
  const replay = command
    .command('replay')
    .description('replay a recording of an allocator and compare every frame it gave')
    .argument('<vectors.csv>', 'recorded operations: op,core,order,movable,arg_frame,err,frame,reclaimed|class')
    .addOption(
      new Option(
        '--version <name>',
        'upper allocator: ae (HyperAlloc, with reclaim) or head; by the last column when absent',
      ).choices(llfreeVersions),
    )
    .option('--frames <n>', '4 KiB frames of the allocator; as the file says when absent')
    .option('--cores <n>', 'cores of the allocator; as the file says when absent');
  addExamples(addOutputOptions(replay), [
    'strata elastic llfree replay packages/lab/fixtures/elastic/llfree-ae-1core.csv.gz',
    'strata elastic llfree replay packages/lab/fixtures/elastic/llfree-ae-1core.csv.gz --version ae --frames 65536 --cores 1 --json',
  ]).action((path: string, options: ReplayOptions) =>
    interruptible(async (signal) => {
      const result = await replayVectors(path, options, signal);
      await emit(
        { document: { ...result }, tables: [tableOf('replay', [rowOf(result)])], text: sentence(result) },
        options,
      );
      if (result.mismatches > 0) process.exitCode = 1;
    }),
  );
}

/** @throws StrataError for what the file or the options have wrong */
export async function replayVectors(path: string, options: ReplayOptions, signal?: AbortSignal): Promise<ReplayResult> {
  let frames = options.frames === undefined ? undefined : parseCount(options.frames, '--frames');
  let cores = options.cores === undefined ? undefined : parseCount(options.cores, '--cores');
  let version = options.version;
  let replay: VectorReplay | undefined;
  let hasDetail = true;
  const mismatches: Mismatch[] = [];
  let operations = 0;
  let count = 0;
  for await (const record of readVectors(path)) {
    if (record.kind === 'header') {
      noteDifference('--frames', frames, record.frames, options);
      noteDifference('--cores', cores, record.cores, options);
      frames ??= record.frames;
      cores ??= record.cores;
    } else if (record.kind === 'columns') {
      const recorded = record.detail === 'class' ? 'head' : 'ae';
      version ??= recorded;
      hasDetail = version === recorded;
      replay = createVectorReplay({
        frames: needed(frames, '--frames', path),
        cores: needed(cores, '--cores', path),
        version,
      });
    } else if (replay) {
      const mismatch =
        record.kind === 'state'
          ? replay.compare(record)
          : replay.apply(hasDetail ? record : { ...record, detail: undefined });
      if (record.kind === 'operation') operations++;
      if (mismatch) {
        count++;
        if (mismatches.length === 0) mismatches.push(mismatch);
      }
      if ((operations & 0xfff) === 0) signal?.throwIfAborted();
    }
  }
  return { operations, mismatches: count, firstMismatch: mismatches[0] ?? null };
}

function needed(value: number | undefined, option: string, path: string): number {
  if (value !== undefined) return value;
  throw new StrataError({
    code: 'usage.missing',
    what: `the file does not say the number of ${option.slice(2)} of its allocator`,
    where: path,
    expected: `a comment such as \`# frames=65536 cores=1\` above the header`,
    mend: `Add ${option} N.`,
  });
}

function noteDifference(
  option: string,
  given: number | undefined,
  recorded: number | undefined,
  options: ReplayOptions,
): void {
  if (given !== undefined && recorded !== undefined && given !== recorded)
    note(
      `strata: the file was recorded with ${option.slice(2)}=${recorded}; ${option} ${given} is used as asked.`,
      options,
    );
}

function rowOf({ operations, mismatches, firstMismatch: first }: ReplayResult) {
  return {
    operations,
    mismatches,
    line: first?.line ?? null,
    what: first?.what ?? null,
    expected: first?.expected ?? null,
    found: first?.found ?? null,
  };
}

function sentence({ operations, mismatches, firstMismatch: first }: ReplayResult): string {
  if (!first) return `${operations} operations, all as recorded.`;
  return `${operations} operations, ${mismatches} not as recorded.\nFirst: line ${first.line}, ${first.what}: recorded ${first.expected}, found ${first.found}.`;
}
