import {
  generatePackets,
  generateTranslations,
  ioWorkloads,
  isQueueGenerator,
  type PacketBlock,
  parseIoGenerator,
  parseQueueGenerator,
  type QueueShape,
  type TranslationBlock,
} from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import { inTurns, openInput } from '@strata/traces';
import { readTranslationRecords } from '@strata/traces/io';

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
      readonly kind: 'packets';
      readonly queues: QueueShape;
      blocks(): AsyncIterable<PacketBlock> | Iterable<PacketBlock>;
      progress(): number;
    };

/** As `openTranslations`, and generators of packets for queues: `gen:nic,...`, `gen:nvme-queues,...`. */
export async function openIoInput(path: string, options: OpenOptions): Promise<IoInput> {
  const text = path.startsWith(generatorPrefix) ? path.slice(generatorPrefix.length) : undefined;
  if (text === undefined || !isQueueGenerator(text))
    return { kind: 'translations', ...(await openTranslations(path, options)) };
  const generator = parseQueueGenerator(text, path);
  return {
    kind: 'packets',
    queues: generator.shape,
    blocks: () => inTurns(generatePackets(generator), options.signal),
    progress: () => 0,
  };
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
    return { blocks: () => inTurns(generateTranslations(spec, nextAccess), signal), progress: () => 0 };
  }
  const input = await openInput(path, { signal });
  async function* blocks() {
    try {
      yield* inTurns(readTranslationRecords(input.chunks, path), signal);
    } finally {
      await input.close();
    }
  }
  return { blocks, progress: () => input.progress() };
}
