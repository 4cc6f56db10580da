import { readFileSync } from 'node:fs';
import {
  type CompatIoConfig,
  type CompatIoResult,
  type ConfigurationFile,
  type CorrectIoResult,
  type CorrectIoSimulation,
  configurationPresets,
  createCompatSimulation,
  createIoSimulation,
  type IoConfiguration,
  type IoSetup,
  machineFields,
  machineFieldsIn,
  type Probe,
  parseConfigurationFile,
  parseIoConfiguration,
  resolveIoConfiguration,
  resolveIoMachine,
  resolveScheme,
  schemeIn,
} from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import type { RecordingNotes } from '@strata/traces/io';
import type { TableUnit } from '@strata/traces/tables';
import { loadConfiguration as readConfiguration } from '../config/load.ts';
import { unmapsOf } from '../elastic/event-feed.ts';
import { readEvents } from '../elastic/event-file.ts';
import type { Progress } from '../terminal/progress.ts';
import { type Row, type Table, tableOf } from '../terminal/table.ts';
import { deviceName, listed } from './names.ts';
import { assigned } from './settings.ts';
import { type IoTables, type IoTablesSummary, loadIoTables } from './tables.ts';
import { isFile, isIoLog, openIoInput, openTranslations } from './trace.ts';

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
  if (configurationFile.test(nameOrPath))
    throw new StrataError({
      code: 'io.config-of-machine',
      what: "a configuration of the machine, which the original's model does not have",
      where: nameOrPath,
      expected: `a .cfg file, or one of ${[...configurationPresets.keys()].join(', ')}`,
      mend: 'Use --mode correct.',
    });
  let text: string;
  try {
    text = readFileSync(nameOrPath, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StrataError({
      code: 'io.config-unreadable',
      what: code === 'ENOENT' ? 'no such configuration' : `cannot read the configuration: ${message}`,
      where: nameOrPath,
      expected: `a .cfg file, one of ${[...configurationPresets.keys()].join(', ')}, or (correct) a .yaml or .json file`,
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
  /** `key=value` of the machine or the scheme: `walkers=4`, `iotlb.entries=64`, `scheme.batch=64`. */
  readonly set?: readonly string[];
  /** Of a YAML or JSON file in `config`, which has no caches of the original then. */
  readonly configuration?: IoConfiguration;
  /** What the command line says of the machine; with a file, only that wins over it. */
  readonly given?: { readonly queueEntries?: number; readonly gbps?: number };
  /** Page tables that are walked in place of built ones: a dump, or context entries with their tables. */
  readonly tables?: string;
  /** Of the columns of a dump, where it cannot be recognised. */
  readonly unit?: 'auto' | TableUnit;
  /** What resizing takes from the device of the first tenant: the CSV of `strata elastic events --vfio`. */
  readonly memoryEvents?: string;
}

const configurationFile = /\.(ya?ml|json)$/i;

/** The configuration of the machine in a YAML or JSON file; undefined for a `.cfg` and for names. @throws StrataError `config.*` */
export async function loadIoConfiguration(path: string): Promise<IoConfiguration | undefined> {
  if (!configurationFile.test(path)) return undefined;
  const parsed = parseIoConfiguration(await readConfiguration(path), path);
  resolveIoConfiguration(parsed, `${path}: machine`);
  return parsed;
}

/** The scheme of a run that names none: the configuration's; a log is run as its driver did. */
export async function defaultScheme(trace: string, configuration?: IoConfiguration): Promise<string> {
  const ofFile = configuration === undefined ? undefined : schemeIn(configuration);
  if (ofFile !== undefined) return ofFile.name;
  return (await isIoLog(trace)) ? 'recorded' : 'persistent-pools';
}

/**
 * The machine and the scheme of a run: a configuration file or the caches of a `.cfg`, what the command line says, and `--set`, later ones
 * winning.
 */
export function correctSetup(input: CorrectInput): IoSetup {
  if (input.inOrder || input.selective || input.replacement !== 'lru')
    throw new StrataError({
      code: 'io.compat-only',
      what: 'replacement policies other than lru, --in-order and --selective are switches of the original only',
      where: 'options',
      mend: 'Add --mode compat.',
    });
  const { configuration, given } = input;
  const ofFile = configuration === undefined ? undefined : schemeIn(configuration);
  const fields =
    configuration === undefined
      ? { ...machineFields(loadConfiguration(input.config)), gbps: input.gbps, queueEntries: input.queue }
      : { ...machineFieldsIn(configuration), ...given };
  const { machine, values } = assigned(input.set ?? [], input.scheme, {
    machine: fields,
    ...(ofFile?.name === input.scheme && { values: ofFile.values }),
  });
  return { machine: resolveIoMachine(machine), ...resolveScheme(input.scheme, values) };
}

export interface CorrectRun {
  readonly result: CorrectIoResult;
  readonly tables: IoTablesSummary | undefined;
  readonly warnings: readonly string[];
}

/** @param probe watches one translation; the run ends when its packet is through */
export async function runCorrect(
  input: CorrectInput,
  { signal, progress }: RunContext,
  probe?: Probe,
): Promise<CorrectRun> {
  const imported = await importedTables(input, signal);
  const trace = await openIoInput(input.trace, { signal });
  const events = input.memoryEvents === undefined ? undefined : await readEvents(input.memoryEvents);
  const create = (domain: number | undefined) =>
    createIoSimulation({
      ...correctSetup(input),
      hasRecording: trace.kind === 'recording' || isFile(input.trace),
      ...(trace.kind === 'packets' && { queues: trace.queues }),
      ...(probe && { probe }),
      ...(imported && { tables: imported.tables }),
      ...(events !== undefined && domain !== undefined && { unmaps: unmapsOf(events, domain, input.memoryEvents!) }),
    });
  let simulation: CorrectIoSimulation | undefined;
  /** The VM that is resized is the first tenant. */
  const simulationFor = (block: { readonly did: ArrayLike<number> }) => {
    simulation ??= create(block.did[0]);
    return simulation;
  };
  let done = 0;
  const update = (length: number) => {
    signal.throwIfAborted();
    done += length;
    progress.update({ done, share: trace.progress() });
    // Some packets more, so that the one watched meets what follows it.
    return probe !== undefined && done > probe.position + watchedBeyond;
  };
  if (trace.kind === 'packets') {
    for await (const block of trace.blocks()) {
      simulationFor(block).feedPackets(block);
      if (update(block.length)) break;
    }
  } else if (trace.kind === 'recording') {
    for await (const block of trace.blocks()) {
      simulationFor(block).feedRecorded(block);
      if (update(block.length)) break;
    }
  } else {
    for await (const block of trace.blocks()) {
      simulationFor(block).feed(block);
      if (update(block.length)) break;
    }
  }
  const result = (simulation ?? create(undefined)).finish();
  const warnings = [...(imported?.warnings ?? [])];
  if (trace.kind === 'recording') warnings.push(...warningsOf(input.trace, trace.notes()));
  if (imported !== undefined && result.refusedAccesses > 0)
    warnings.push(
      `${result.refusedAccesses} DMAs were refused, mostly or all of them to pages that ${imported.summary.file} does not map`,
    );
  return { result, tables: imported?.summary, warnings };
}

function warningsOf(trace: string, { leftOut, withoutContext }: RecordingNotes): string[] {
  const warnings: string[] = [];
  if (leftOut > 0)
    warnings.push(`${trace}: ${leftOut} translations left out, from before the line that gives their device a domain`);
  if (withoutContext.length > 0)
    warnings.push(
      `${trace}: no context entry of ${listed(withoutContext.map(deviceName))}; the domain is taken from look-ups`,
    );
  return warnings;
}

async function importedTables(input: CorrectInput, signal: AbortSignal): Promise<IoTables | undefined> {
  if (input.tables === undefined) return undefined;
  const { machine } = correctSetup(input);
  const unit = input.unit === 'auto' ? undefined : input.unit;
  return loadIoTables(input.tables, { machine, unit, signal });
}

const watchedBeyond = 10_000;

export function correctDocument(
  input: CorrectInput,
  { result, tables }: CorrectRun,
): Readonly<Record<string, unknown>> {
  const { machine, scheme, values } = correctSetup(input);
  return {
    mode: 'correct',
    trace: input.trace,
    config: input.config,
    scheme: scheme.name,
    schemeValues: values,
    promises: scheme.promises,
    machine,
    ...(tables && { tables }),
    ...result,
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
    invalidations: result.invalidations,
    windowMeanNs: result.vulnerabilityWindowNs.mean,
    coresBusy: result.coresBusy,
  };
  // A cache that nothing has asked is not part of this machine.
  const caches = Object.entries(result.caches)
    .filter(([, { hit, miss }]) => hit + miss > 0)
    .map(([cache, { hit, miss, conflict }]): Row => ({ cache, hit, miss, conflict, hitRate: hit / (hit + miss) }));
  return [tableOf('io', [summary]), tableOf('caches', caches)];
}
