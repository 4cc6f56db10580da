import { readFileSync } from 'node:fs';
import {
  type CompatIoConfig,
  type CompatIoResult,
  type ConfigurationFile,
  type CorrectIoResult,
  configurationPresets,
  createCompatSimulation,
  createIoSimulation,
  type IoMachine,
  type IoStep,
  ioMachineSpec,
  parseConfigurationFile,
  protectionSchemes,
} from '@strata/model/io';
import { flatten, resolve, StrataError } from '@strata/model/machine';
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

export interface CorrectInput extends RunInput {
  readonly scheme: string;
  /** `key=value` of the machine: `walkers=4`, `iotlb.entries=64`. */
  readonly set?: readonly string[];
}

/** The configuration's caches in the machine: its IOTLB is the device's, its page caches are the walker's. */
export function machineOf(input: CorrectInput): IoMachine {
  if (input.inOrder || input.selective || input.replacement !== 'lru')
    throw new StrataError({
      code: 'io.compat-only',
      what: 'replacement policies other than lru, --in-order and --selective are switches of the original only',
      where: 'options',
      mend: 'Add --mode compat.',
    });
  const { contextCache, deviceTlb, l2PageCache, l3PageCache } = loadConfiguration(input.config);
  const given: Record<string, unknown> = {
    gbps: input.gbps,
    queueEntries: input.queue,
    contextCache: { entries: contextCache.entries, ways: contextCache.ways },
    deviceTlb: { entries: deviceTlb.entries, ways: deviceTlb.ways },
    l2Cache: { entries: l2PageCache.entries, ways: l2PageCache.ways },
    l3Cache: { entries: l3PageCache.entries, ways: l3PageCache.ways },
  };
  for (const setting of input.set ?? []) assign(given, setting);
  return resolve(ioMachineSpec, given, 'machine');
}

function assign(given: Record<string, unknown>, setting: string): void {
  const equals = setting.indexOf('=');
  const path = setting.slice(0, Math.max(0, equals));
  const value = setting.slice(equals + 1);
  const field = flatten(ioMachineSpec).find((row) => row.path === path)?.field;
  const parsed = field?.kind === 'choice' || value === '' || Number.isNaN(Number(value)) ? value : Number(value);
  const [name = '', member] = path.split('.');
  if (member === undefined) given[name] = parsed;
  else given[name] = { ...(given[name] as Record<string, unknown> | undefined), [member]: parsed };
}

export interface Explained {
  readonly result: CorrectIoResult;
  readonly steps: readonly IoStep[];
}

/** @param translation number of the one whose steps are wanted */
export async function runCorrect(
  input: CorrectInput,
  { signal, progress }: RunContext,
  translation = -1,
): Promise<Explained> {
  const steps: IoStep[] = [];
  const scheme = protectionSchemes.get(input.scheme);
  const simulation = createIoSimulation(machineOf(input), scheme, { translation, steps });
  const trace = await openTranslations(input.trace, { signal });
  let done = 0;
  for await (const block of trace.blocks()) {
    signal.throwIfAborted();
    simulation.feed(block);
    done += block.length;
    progress.update({ done, share: trace.progress() });
    if (translation >= 0 && done > translation) break;
  }
  return { result: simulation.finish(), steps };
}

export function correctDocument(input: CorrectInput, result: CorrectIoResult): Readonly<Record<string, unknown>> {
  return {
    mode: 'correct',
    trace: input.trace,
    config: input.config,
    scheme: input.scheme,
    machine: machineOf(input),
    ...result,
    // The machine has no prefetcher; the key stays so that scripts find it.
    prefetch: { accesses: 0, made: 0, fill: 0, buf_hit: 0, buf_miss: 0 },
  };
}

export function correctTables(result: CorrectIoResult): readonly Table[] {
  const { timeNs, translations, packetsDropped, mbps, utilization, readsPerTranslation, fairness } = result;
  const p99 = result.tenants.map(({ p99Ns }) => p99Ns).sort((a, b) => a - b);
  const summary: Row = {
    timeNs,
    translations,
    packetsDropped,
    mbps,
    utilization,
    readsPerTranslation,
    fairness,
    medianTenantP99Ns: p99[p99.length >> 1] ?? null,
    worstTenantP99Ns: p99.at(-1) ?? null,
    windowMeanNs: result.vulnerabilityWindowNs.mean,
  };
  const caches = Object.entries(result.caches).map(
    ([cache, { hit, miss, conflict }]): Row => ({
      cache,
      hit,
      miss,
      conflict,
      hitRate: hit + miss === 0 ? null : hit / (hit + miss),
    }),
  );
  return [tableOf('io', [summary]), tableOf('caches', caches)];
}
