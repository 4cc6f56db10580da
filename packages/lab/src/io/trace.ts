import { generateTranslations, parseIoGenerator, type TranslationBlock } from '@strata/model/io';
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

const generatorPrefix = 'gen:';

/** @param path an `..._iotlb_trace.bin`, compressed or not, or `gen:NAME,key=value,...` */
export async function openTranslations(
  path: string,
  { signal, nextAccess = false }: OpenOptions,
): Promise<OpenTranslations> {
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
