import { readFileSync } from 'node:fs';
import {
  type CompatIoConfig,
  type CompatIoResult,
  type ConfigurationFile,
  configurationPresets,
  createCompatSimulation,
  parseConfigurationFile,
} from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import type { Progress } from '../terminal/progress.ts';
import { type Row, type Table, tableOf } from '../terminal/table.ts';
import { openTranslations } from './trace.ts';

export interface RunInput {
  readonly trace: string;
  readonly config: string;
  readonly queue: number;
  readonly gbps: number;
  readonly replacement: 'lru' | 'lfu' | 'oracle';
  readonly inOrder: boolean;
  readonly selective: boolean;
}

export interface RunContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** A `.cfg` file of the original, or the name of a built-in one. @throws StrataError `io.config-*` */
export function loadConfiguration(nameOrPath: string): ConfigurationFile {
  const preset = configurationPresets.get(nameOrPath);
  if (preset !== undefined) return preset;
  let text: string;
  try {
    text = readFileSync(nameOrPath, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StrataError({
      code: 'io.config-unreadable',
      what: code === 'ENOENT' ? 'no such configuration' : `cannot read the configuration: ${message}`,
      where: nameOrPath,
      expected: `a .cfg file, or one of ${[...configurationPresets.keys()].join(', ')}`,
    });
  }
  return parseConfigurationFile(text, nameOrPath);
}

export function compatConfig(input: RunInput): CompatIoConfig {
  return {
    ...loadConfiguration(input.config),
    queueEntries: input.queue,
    linkGbps: input.gbps,
    replacement: input.replacement,
    inOrder: input.inOrder,
    selective: input.selective,
  };
}

export async function runCompat(input: RunInput, { signal, progress }: RunContext): Promise<CompatIoResult> {
  const simulation = createCompatSimulation(compatConfig(input));
  const trace = await openTranslations(input.trace, { signal, nextAccess: input.replacement === 'oracle' });
  let done = 0;
  for await (const block of trace.blocks()) {
    signal.throwIfAborted();
    simulation.feed(block);
    done += block.length;
    progress.update({ done, share: trace.progress() });
  }
  return simulation.finish();
}

/** The document's counters are named as in the original's reference runs. */
export function compatDocument(input: RunInput, result: CompatIoResult): Readonly<Record<string, unknown>> {
  const { caches, prefetch, flows, ...rest } = result;
  const rates = flows.map(({ mbps }) => mbps);
  const cache = ({ hit, miss, conflict, domains, rowsUsed, rows }: CompatIoResult['caches']['CC']) => ({
    hit,
    miss,
    conflict,
    domains,
    rows_used: rowsUsed,
    rows,
  });
  return {
    mode: 'compat',
    trace: input.trace,
    config: input.config,
    queue: input.queue,
    gbps: input.gbps,
    replacement: input.replacement,
    inOrder: input.inOrder,
    selective: input.selective,
    ...rest,
    caches: {
      CC: cache(caches.CC),
      IOTLB: cache(caches.IOTLB),
      L2PAGE: cache(caches.L2PAGE),
      L3PAGE: cache(caches.L3PAGE),
    },
    prefetch: {
      accesses: prefetch.accesses,
      correct: prefetch.correct,
      incorrect: prefetch.incorrect,
      made: prefetch.made,
      new_map: prefetch.newMap,
      same_sid: prefetch.sameSid,
      diff_sid: prefetch.diffSid,
      fill_same: prefetch.fillSame,
      fill: prefetch.fill,
      buf_hit: prefetch.bufferHit,
      buf_miss: prefetch.bufferMiss,
      hist_hit: prefetch.historyHit,
      hist_miss: prefetch.historyMiss,
      sids: prefetch.sids,
    },
    flows: {
      n: flows.length,
      bw_min: rates.reduce((least, rate) => Math.min(least, rate), Number.POSITIVE_INFINITY),
      bw_max: rates.reduce((most, rate) => Math.max(most, rate), 0),
      bw_sum: rates.reduce((sum, rate) => sum + rate, 0),
      tenants: flows,
    },
  };
}

export function compatTables(result: CompatIoResult): readonly Table[] {
  const summary: Row = {
    timeNs: result.timeNs,
    translations: result.translations,
    packetsDropped: result.packetsDropped,
    mbps: result.mbps,
    utilization: result.utilization,
  };
  const caches = Object.entries(result.caches).map(
    ([cache, { hit, miss, conflict, domains }]): Row => ({
      cache,
      hit,
      miss,
      conflict,
      hitRate: hit + miss === 0 ? null : hit / (hit + miss),
      domains,
    }),
  );
  return [tableOf('io', [summary]), tableOf('caches', caches)];
}
