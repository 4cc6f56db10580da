import { StrataError } from '@strata/model/machine';
import { csv } from './formats/csv.ts';
import { drmemtrace } from './formats/drmemtrace.ts';
import { openDrmemtraceFolder } from './formats/drmemtrace-folder.ts';
import { headOf, type TraceFormat } from './formats/format.ts';
import { formats } from './formats/registry.ts';
import { isGeneratorText, openGeneratorText } from './generators/index.ts';
import { type Input, openInput } from './input/input.ts';
import { readable } from './input/readable.ts';
import type { OpenOptions, TraceReader } from './reader.ts';
import { sampledReader } from './sampled.ts';

/**
 * Opens a trace of any known format, whatever compression wraps it. The format is recognised from the content, never from the name.
 * @param path a file, `-` for standard input, a folder of drmemtrace thread files, or a generator: `gen:gups,size=1GiB,accesses=1e6,seed=42`
 * @throws StrataError `trace.unreadable`, `trace.empty`, `trace.unknown-format`, `trace.ambiguous`, `registry.unknown-name`, and what
 * decompression finds
 */
export async function openTrace(path: string, options: OpenOptions = {}): Promise<TraceReader> {
  const reader = await openWhole(path, options);
  return options.sample === undefined ? reader : sampledReader(reader, options.sample);
}

async function openWhole(path: string, options: OpenOptions): Promise<TraceReader> {
  options.signal?.throwIfAborted();
  if (isGeneratorText(path)) return openGeneratorText(path, options);
  // Who names columns means a table of columns.
  const name = options.format ?? (options.fields === undefined ? undefined : csv.name);
  const named = name === undefined ? undefined : formats.get(name);
  if ((await readable(path)).isDirectory) {
    if (named !== undefined && named !== drmemtrace) throw folderOf(named, path);
    return openDrmemtraceFolder(path, options);
  }
  const input = await openInput(path, options);
  try {
    const { format, dialect } = named === undefined ? recognised(input, options) : asNamed(named, input, options);
    return await format.open(input, dialect, options);
  } catch (error) {
    await input.close();
    throw error;
  }
}

function folderOf({ name }: TraceFormat, path: string): StrataError {
  return new StrataError({
    code: 'trace.unreadable',
    what: `this is a folder, and a ${name} trace is a file`,
    where: path,
    mend: 'Give the file.',
  });
}

interface Chosen {
  readonly format: TraceFormat;
  readonly dialect: string | undefined;
}

function asNamed(format: TraceFormat, input: Input, options: OpenOptions): Chosen {
  return { format, dialect: format.recognise(headOf(input, options))?.dialect };
}

function recognised(input: Input, options: OpenOptions): Chosen {
  const head = headOf(input, options);
  const candidates = [...formats].flatMap((format) => {
    const recognition = format.recognise(head);
    return recognition === undefined ? [] : [{ format, dialect: recognition.dialect, by: recognition.by }];
  });
  const byMagic = candidates.filter(({ by }) => by === 'magic');
  const byContent = byMagic.length > 0 ? byMagic : candidates;
  const byName = byContent.filter(({ format }) => hasExtension(input.path, format));
  const [first, ...others] = byName.length === 1 ? byName : byContent;
  if (first === undefined) throw unknownFormat(input);
  if (others.length > 0)
    throw new StrataError({
      code: 'trace.ambiguous',
      what: 'the content fits more than one format',
      where: input.path,
      found: [first, ...others].map(({ format }) => `${format.name} (${format.summary})`).join(', '),
      mend: 'Name the format.',
    });
  return first;
}

/** Whether the name ends as files of the format do, a compression's ending aside. */
function hasExtension(path: string, { extensions = [] }: TraceFormat): boolean {
  const name = path.replace(/\.(gz|zst|xz|lz4|bz2|zip)$/, '');
  return extensions.some((extension) => name.endsWith(extension));
}

const shownBytes = 16;

function unknownFormat({ path, head }: Input): StrataError {
  const first = head.subarray(0, shownBytes);
  const isText = first.every((byte) => byte >= 9 && byte < 127);
  const shown = isText
    ? JSON.stringify(new TextDecoder().decode(head.subarray(0, 60)).split('\n')[0])
    : [...first].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return new StrataError({
    code: 'trace.unknown-format',
    what: 'the content fits no known trace format',
    where: path,
    found: `a file that begins with ${shown}`,
    mend: `Name the format if you know it: ${formats.names.join(', ')}.`,
  });
}
