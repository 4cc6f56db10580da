import { createHash } from 'node:crypto';
import { createReadStream, renameSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { createRegistry, type Named, type Registry, StrataError } from '@strata/model/machine';
import {
  isGeneratorText,
  type NativeSource,
  type OpenOptions,
  openTrace,
  type TraceReader,
  writeNative,
} from '@strata/traces';
import { pendingFolder } from '../terminal/atomic-files.ts';
import { writeParquetTrace } from './parquet-trace.ts';

/** A format that traces can be converted to. */
export interface Target extends Named {
  /** File names that end so are written in this format unless `--to` says otherwise. */
  readonly extensions: readonly string[];
  /** Whether it keeps what is not an access. */
  readonly events: boolean;
  write(path: string, reader: TraceReader, context: WriteContext): Promise<unknown>;
}

export interface WriteContext {
  readonly signal: AbortSignal;
  readonly source: Partial<NativeSource>;
  onProgress(rows: number): void;
}

export const targets: Registry<Target> = createRegistry<Target>('target format', [
  {
    name: 'native',
    summary: "Strata's own format: compressed, seekable, checked",
    extensions: ['.strata'],
    events: true,
    write: (path, reader, { source, signal, onProgress }) => writeNative(path, reader, { source, signal, onProgress }),
  },
  {
    name: 'parquet',
    summary: 'Parquet, one row per access, for DuckDB, pandas and the like',
    extensions: ['.parquet'],
    events: false,
    write: (path, reader, { onProgress }) => writeParquetTrace(path, reader, onProgress),
  },
]);

/** The target by name or else by the output's extension; native when that says nothing. */
export function targetFor(output: string, name: string | undefined): Target {
  if (name !== undefined) return targets.get(name);
  const extension = extname(output).toLowerCase();
  return [...targets].find(({ extensions }) => extensions.includes(extension)) ?? targets.get('native');
}

export interface Conversion {
  readonly summary: TraceReader['summary'];
  readonly target: string;
  readonly bytes: number;
  readonly sha256?: string;
}

/**
 * Converts the trace `input` to `output`, which appears when it is complete or not at all.
 * @throws StrataError of the reader, `output.unwritable`
 */
export async function convert(
  input: string,
  output: string,
  target: Target,
  options: OpenOptions & { readonly signal: AbortSignal },
  onProgress: (rows: number, reader: TraceReader) => void,
): Promise<Conversion> {
  const reader = await openTrace(input, { ...options, events: target.events });
  const folder = pendingFolder(output);
  try {
    const source = await sourceOf(input, options);
    const path = join(folder.path, basename(output));
    await target.write(path, reader, {
      signal: options.signal,
      source,
      onProgress: (rows) => onProgress(rows, reader),
    });
    options.signal.throwIfAborted();
    const bytes = statSync(path).size;
    moveTo(path, output);
    return { summary: reader.summary, target: target.name, bytes, ...(source.sha256 ? { sha256: source.sha256 } : {}) };
  } finally {
    folder.discard();
    await reader.close();
  }
}

async function sourceOf(input: string, { skip, limit, signal }: OpenOptions): Promise<Partial<NativeSource>> {
  const selection = { ...(skip ? { skip } : {}), ...(limit === undefined ? {} : { limit }) };
  if (isGeneratorText(input)) return { name: input, ...selection };
  const name = basename(input);
  const info = statSync(input);
  if (!info.isFile()) return { name, ...selection };
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(input, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Buffer);
  return { name, bytes: info.size, sha256: hash.digest('hex'), ...selection };
}

function moveTo(path: string, output: string): void {
  try {
    renameSync(path, output);
  } catch (error) {
    throw new StrataError({
      code: 'output.unwritable',
      what: 'cannot put the converted trace in its place',
      where: output,
      found: error instanceof Error ? error.message : String(error),
      mend: 'Give another place for the output.',
    });
  }
}
