import { createHash } from 'node:crypto';
import { createReadStream, renameSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { type AccessBlock, createRegistry, type Named, type Registry, StrataError } from '@strata/model/machine';
import {
  isGeneratorText,
  type NativeSource,
  type OpenOptions,
  openTrace,
  type TraceReader,
  writeChampsim,
  writeCsv,
  writeDin,
  writeDrmemtrace,
  writeNative,
} from '@strata/traces';
import { refuseNonFile } from '@strata/traces/output';
import { pendingFolder } from '../terminal/atomic-files.ts';
import { writeParquetTrace } from './parquet-trace.ts';

/** A format that traces can be converted to. */
export interface Target extends Named {
  /** File names that end so are written in this format unless `--to` says otherwise. */
  readonly extensions: readonly string[];
  /** Whether it keeps what is not an access. */
  readonly events: boolean;
  write(path: string, reader: TraceReader, context: WriteContext): Promise<Written>;
}

interface Written {
  /** What the format cannot hold, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
}

const nothingDropped: Written = { dropped: new Map() };

export interface WriteContext {
  readonly signal: AbortSignal;
  readonly source: Partial<NativeSource>;
}

export const targets: Registry<Target> = createRegistry<Target>('target format', [
  {
    name: 'native',
    summary: "Strata's own format: compressed, seekable, checked",
    extensions: ['.strata'],
    events: true,
    async write(path, reader, { source, signal }) {
      await writeNative(path, reader, { source, signal });
      return nothingDropped;
    },
  },
  {
    name: 'drmemtrace',
    summary: "DynamoRIO's memory traces, for drcachesim and its kin; zipped in chunks when the name ends in .zip",
    extensions: ['.trace', '.memtrace'],
    events: true,
    write: (path, reader, { signal }) => writeDrmemtrace(path, reader, { signal }),
  },
  {
    name: 'champsim',
    summary: 'ChampSim instructions of 64 bytes',
    extensions: ['.champsimtrace', '.champsim'],
    events: false,
    write: (path, reader, { signal }) => writeChampsim(path, reader, { signal }),
  },
  {
    name: 'din',
    summary: "Dinero's text: label and address",
    extensions: ['.din'],
    events: false,
    write: (path, reader, { signal }) => writeDin(path, reader, { signal }),
  },
  {
    name: 'csv',
    summary: 'comma-separated values with a header line',
    extensions: ['.csv'],
    events: false,
    write: (path, reader, { signal }) => writeCsv(path, reader, { signal }),
  },
  {
    name: 'parquet',
    summary: 'Parquet, one row per access, for DuckDB, pandas and the like',
    extensions: ['.parquet'],
    events: false,
    async write(path, reader, { signal }) {
      await writeParquetTrace(path, reader, signal);
      return nothingDropped;
    },
  },
]);

/** The target by name or else by the output's extension; native when that says nothing. */
export function targetFor(output: string, name: string | undefined): Target {
  if (name !== undefined) return targets.get(name);
  const extension = extname(output.toLowerCase().replace(/\.(gz|zip|zst|xz|lz4|bz2)$/, ''));
  return [...targets].find(({ extensions }) => extensions.includes(extension)) ?? targets.get('native');
}

export interface Conversion {
  readonly summary: TraceReader['summary'];
  readonly target: string;
  readonly bytes: number;
  readonly sha256?: string;
  /** What the target format cannot hold, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
}

/**
 * Converts the trace `input` to `output`, which appears when it is complete or not at all.
 * @throws StrataError of the reader, `output.unwritable`, `output.usage`
 */
export async function convert(
  input: string,
  output: string,
  target: Target,
  options: OpenOptions & { readonly signal: AbortSignal },
  onBlock: (reader: TraceReader) => void,
): Promise<Conversion> {
  refuseStandardOutput(output);
  refuseNonFile(output);
  const reader = await openTrace(input, { ...options, events: target.events });
  const folder = pendingFolder(output);
  try {
    const source = await sourceOf(input, options);
    const path = join(folder.path, basename(output));
    const { dropped } = await target.write(path, watched(reader, onBlock), { signal: options.signal, source });
    options.signal.throwIfAborted();
    const bytes = statSync(path).size;
    moveTo(path, output);
    return {
      summary: reader.summary,
      target: target.name,
      bytes,
      dropped,
      ...(source.sha256 ? { sha256: source.sha256 } : {}),
    };
  } catch (error) {
    throw inPlaceOf(folder.path, output, error);
  } finally {
    folder.discard();
    await reader.close();
  }
}

function refuseStandardOutput(output: string): void {
  if (output !== '-') return;
  throw new StrataError({
    code: 'output.usage',
    what: 'a trace is not written to standard output',
    where: 'output -',
    mend: 'Name a file: it appears when the trace is complete. A file that is really called - is written as ./-',
  });
}

/** The user knows the output, not the folder that it grows in. */
function inPlaceOf(folder: string, output: string, error: unknown): unknown {
  if (!(error instanceof StrataError)) return error;
  const { code, where, what, found, mend } = error;
  if (where === undefined || !where.startsWith(folder)) return error;
  return new StrataError({
    code,
    what,
    where: output,
    ...(found === undefined ? {} : { found }),
    ...(mend === undefined ? {} : { mend }),
  });
}

/** The same reader, whose every block is told. */
function watched(reader: TraceReader, onBlock: (reader: TraceReader) => void): TraceReader {
  return {
    get summary() {
      return reader.summary;
    },
    blocks: () => watch(reader, onBlock),
    progress: () => reader.progress(),
    close: () => reader.close(),
  };
}

async function* watch(reader: TraceReader, onBlock: (reader: TraceReader) => void): AsyncIterableIterator<AccessBlock> {
  for await (const block of reader.blocks()) {
    onBlock(reader);
    yield block;
  }
}

async function sourceOf(input: string, { skip, limit, sample, signal }: OpenOptions): Promise<Partial<NativeSource>> {
  const selection = {
    ...(skip ? { skip } : {}),
    ...(limit === undefined ? {} : { limit }),
    ...(sample === undefined ? {} : { sample }),
  };
  if (isGeneratorText(input)) return { name: input, ...selection };
  if (input === '-') return { name: 'standard input', ...selection };
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
