import { type BlockColumns, type Named, StrataError } from '@strata/model/machine';
import type { Input } from '../input/input.ts';
import type { OpenOptions, TraceReader } from '../reader.ts';
import { blockReader, type DecodeContext, type Decoder, streamSource } from '../stream-reader.ts';
import { Tally } from '../tally.ts';
import { Window } from '../window.ts';

/** The beginning of a trace, for recognition. */
export interface Head {
  readonly bytes: Uint8Array;
  /** Whether `bytes` is the whole content. */
  readonly isAll: boolean;
  readonly path: string;
  readonly options: OpenOptions;
}

export interface Recognition {
  /** `magic`: the format says so itself. `structure`: every record looked at is plausible. */
  readonly by: 'magic' | 'structure';
  /** In words, for the summary. */
  readonly dialect: string;
}

/** A trace format as the registry knows it; the tables of formats in help and documents are made of these. */
export interface TraceFormat extends Named {
  /** What one record looks like. */
  readonly record: string;
  /** How the format ends, hence what can be known of truncation. */
  readonly end: string;
  /** File name endings that settle which of two formats it is when the content fits both; never a ground on its own. */
  readonly extensions?: readonly string[];
  recognise(head: Head): Recognition | undefined;
  /** @param dialect what `recognise` found, or undefined when the user named the format and it was not recognised */
  open(input: Input, dialect: string | undefined, options: OpenOptions): Promise<TraceReader>;
}

/** A window for a whole small input is larger than it, so that it is never full without being at the end. */
const spareBytes = 64;

/** Columns beyond the fixed ones. */
export type Columns = Partial<BlockColumns>;

interface StreamFormat extends Omit<TraceFormat, 'open'> {
  /** The columns that a trace of this format has; of some formats its beginning tells. */
  readonly columns?: Columns | ((head: Head) => Columns);
  /** Dialect to assume when the user names the format and it is not recognised. */
  readonly defaultDialect: string;
  createDecoder(context: DecodeContext, head: Head, dialect: string): Decoder;
}

/** A format that one decoder reads from the front to the end. */
export function streamFormat({
  columns: given = {},
  defaultDialect,
  createDecoder,
  ...format
}: StreamFormat): TraceFormat {
  return {
    ...format,
    async open(input, dialect = defaultDialect, options) {
      const tally = new Tally(input.path, format.name, dialect, input.compression);
      const head = headOf(input, options);
      const has = typeof given === 'function' ? given(head) : given;
      const columns: BlockColumns = {
        pc: has.pc === true && options.columns?.pc === true,
        physical: has.physical === true && options.columns?.physical === true,
      };
      const context = contextOf(input.path, tally, columns, options);
      const decoder = createDecoder(context, head, dialect);
      const window = input.headIsAll
        ? new Window(input.chunks, input.head.length + spareBytes)
        : new Window(input.chunks);
      return blockReader(streamSource(window, decoder, context, input), tally, columns, options);
    },
  };
}

export function contextOf(path: string, tally: Tally, columns: BlockColumns, options: OpenOptions): DecodeContext {
  return {
    path,
    tally,
    columns,
    events: options.events === true,
    allowTruncated: options.allowTruncated === true,
  };
}

export function headOf(input: Input, options: OpenOptions): Head {
  return { bytes: input.head, isAll: input.headIsAll, path: input.path, options };
}

export function malformed(
  { path }: DecodeContext,
  position: string,
  what: string,
  details: { expected?: string; found?: string; mend?: string } = {},
): StrataError {
  return new StrataError({ code: 'trace.malformed', what, where: `${path}, ${position}`, ...details });
}
