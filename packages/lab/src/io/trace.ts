import { statSync } from 'node:fs';
import {
  generatePackets,
  generateTranslations,
  ioWorkloads,
  isQueueGenerator,
  type PacketBlock,
  parseIoGenerator,
  parseQueueGenerator,
  type QueueShape,
  type RecordedBlock,
  type TranslationBlock,
} from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import { inTurns, openInput } from '@strata/traces';
import {
  type IoLogKind,
  type RecordingNotes,
  readRecording,
  readTranslationRecords,
  recognizeIoLog,
} from '@strata/traces/io';

/** A hyper-tenant trace, read block by block; the block is reused. */
export interface OpenTranslations {
  blocks(): AsyncIterable<TranslationBlock> | Iterable<TranslationBlock>;
  /** Share read, 0 to 1. */
  progress(): number | undefined;
}

export interface OpenOptions {
  readonly signal: AbortSignal;
  /** Wanted by the oracle; files have it. */
  readonly nextAccess?: boolean;
}

/** What the machine takes: a trace's translations, or packets for queues whose buffers its driver maps. */
export type IoInput =
  | (OpenTranslations & { readonly kind: 'translations' })
  | {
      /** A log: DMAs with their mappings, and commands. */
      readonly kind: 'recording';
      blocks(): AsyncIterable<RecordedBlock>;
      progress(): number | undefined;
      /** Known at the end. */
      notes(): RecordingNotes;
    }
  | {
      readonly kind: 'packets';
      readonly queues: QueueShape;
      blocks(): AsyncIterable<PacketBlock> | Iterable<PacketBlock>;
      progress(): number;
    };

/** As `openTranslations`, logs of an IOMMU as they are, and generators of packets for queues: `gen:nic,...`, `gen:nvme-queues,...`. */
export async function openIoInput(path: string, options: OpenOptions): Promise<IoInput> {
  const text = path.startsWith(generatorPrefix) ? path.slice(generatorPrefix.length) : undefined;
  if (text === undefined) {
    const input = await openInput(path, { signal: options.signal });
    const log = recognizeIoLog(input.head);
    if (log !== undefined) return openLog(input, log, path, options.signal);
    return { kind: 'translations', ...translationsOf(input, path, options.signal) };
  }
  if (!isQueueGenerator(text)) return { kind: 'translations', ...(await openTranslations(path, options)) };
  const generator = parseQueueGenerator(text, path);
  return {
    kind: 'packets',
    queues: generator.shape,
    ...counted(inTurns(generatePackets(generator), options.signal), packetsOf(generator.arrivals)),
  };
}

/** Whether a file is a log rather than a trace made of logs. What can be read once only is not looked at. */
export async function isIoLog(path: string, signal?: AbortSignal): Promise<boolean> {
  if (!isFile(path)) return false;
  const input = await openInput(path, signal === undefined ? {} : { signal });
  await input.close();
  return recognizeIoLog(input.head) !== undefined;
}

/** Whether the input is a file, none that is made up. */
export function isFile(path: string): boolean {
  return !path.startsWith(generatorPrefix) && (statSync(path, { throwIfNoEntry: false })?.isFile() ?? false);
}

function openLog(input: OpenedInput, kind: IoLogKind, path: string, signal: AbortSignal): IoInput {
  let notes: RecordingNotes = { leftOut: 0, withoutContext: [] };
  const onEnd = (ended: RecordingNotes) => {
    notes = ended;
  };
  async function* blocks() {
    try {
      yield* inTurns(readRecording(input.chunks, kind, path, onEnd), signal);
    } finally {
      await input.close();
    }
  }
  return { kind: 'recording', blocks, progress: () => input.progress(), notes: () => notes };
}

/** Whether an input has addresses of its own. */
export function isRecording(path: string): boolean {
  return !(path.startsWith(generatorPrefix) && isQueueGenerator(path.slice(generatorPrefix.length)));
}

const generatorPrefix = 'gen:';

/** @param path an `..._iotlb_trace.bin`, compressed or not, or `gen:NAME,key=value,...` */
export async function openTranslations(
  path: string,
  { signal, nextAccess = false }: OpenOptions,
): Promise<OpenTranslations> {
  if (!isRecording(path))
    throw new StrataError({
      code: 'io.queue-workload',
      what: 'packets for queues, whose addresses the driver chooses',
      where: path,
      expected: `recorded addresses, or one of ${ioWorkloads.names.join(', ')}`,
      mend: 'Run it with --mode correct.',
    });
  if (path.startsWith(generatorPrefix)) {
    const spec = parseIoGenerator(path.slice(generatorPrefix.length), path);
    return counted(inTurns(generateTranslations(spec, nextAccess), signal), packetsOf(spec.values) * partsPerPacket);
  }
  return translationsOf(await openInput(path, { signal }), path, signal);
}

const partsPerPacket = 3;

function packetsOf({ tenants, packets }: { readonly tenants: number; readonly packets: number }): number {
  return tenants * packets;
}

/** Generated blocks, and the share of them that has been taken. */
function counted<B extends { readonly length: number }>(generated: AsyncIterable<B>, total: number) {
  let taken = 0;
  async function* blocks() {
    for await (const block of generated) {
      yield block;
      taken += block.length;
    }
  }
  return { blocks, progress: () => taken / total };
}

type OpenedInput = Awaited<ReturnType<typeof openInput>>;

function translationsOf(input: OpenedInput, path: string, signal: AbortSignal): OpenTranslations {
  async function* blocks() {
    try {
      yield* inTurns(readTranslationRecords(input.chunks, path), signal);
    } finally {
      await input.close();
    }
  }
  return { blocks, progress: () => input.progress() };
}
