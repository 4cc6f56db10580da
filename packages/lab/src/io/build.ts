import { basename } from 'node:path';
import {
  type BuildQuirk,
  type BuildSummary,
  buildQuirkNames,
  buildQuirks,
  type TenantOrder,
  TraceBuilder,
} from '@strata/model/io';
import { StrataError, suggestion } from '@strata/model/machine';
import { openInput } from '@strata/traces';
import { createCollectorLogParser, createStockLogParser, type IoLogKind, recognizeIoLog } from '@strata/traces/io';
import { writeFilesAtomically } from '../terminal/atomic-files.ts';
import type { Progress } from '../terminal/progress.ts';
import { deviceName, listed } from './names.ts';

export interface BuildOptions {
  readonly logs: readonly string[];
  readonly tenants: number;
  readonly order: TenantOrder;
  /** Packets of a tenant's turn. */
  readonly burst: number;
  readonly out: string;
  readonly mode: 'compat' | 'correct';
  /** Devices per log; from `_vm_N_` in the log's name, else 24, when absent. */
  readonly devices?: number | undefined;
  /** Goes through the logs again, as further machines, until there are tenants enough. */
  readonly repeat: boolean;
  readonly quirks?: readonly BuildQuirk[] | undefined;
}

export interface BuiltTrace {
  readonly tenants: number;
  readonly translations: number;
  readonly order: TenantOrder;
  /** Translations of a tenant's turn, as the original counts them. */
  readonly consec: number;
  readonly contexts: number;
  readonly tables: number;
  /** Each log once, with how many times it was taken. */
  readonly logs: readonly (LogReading & { readonly times: number })[];
  readonly files: { readonly translations: string; readonly contexts: string; readonly tables: string };
  readonly warnings: readonly string[];
  readonly quirks: readonly BuildQuirk[];
}

export interface LogReading {
  readonly path: string;
  readonly kind: IoLogKind;
  readonly lines: number;
  readonly events: number;
  /** Translations from before the line that gives their device a domain. */
  readonly leftOut: number;
}

export interface BuildContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

const translationsPerPacket = 3;
/** The original's wrapper assumes so many devices when a log's name does not say. */
const defaultDevices = 24;

/** @throws StrataError what a log or an option lacks; nothing is written then */
export async function buildTrace(options: BuildOptions, context: BuildContext): Promise<BuiltTrace> {
  const on = options.quirks ?? (options.mode === 'compat' ? buildQuirkNames : []);
  const builder = new TraceBuilder(buildQuirks(on));
  const logs: (LogReading & { readonly times: number })[] = [];
  const warnings: string[] = [];
  let left = options.tenants;
  for (let log = 0; left > 0; log++) {
    if (log >= options.logs.length && !options.repeat) {
      // The original's counter of tenants left wraps when a log has more domains than were asked for (quirk Q17).
      if (builder.tenants > options.tenants) break;
      throw tooFewTenants(builder.tenants, options);
    }
    const given = log % options.logs.length;
    const path = options.logs[given]!;
    const devices = options.devices ?? devicesOf(path);
    const before = builder.translations;
    const reading = await readLog(path, builder, Math.min(left, devices), on, context);
    if (builder.translations === before) throw noTranslations(path, reading, on);
    if (reading.leftOut > 0)
      warnings.push(
        `${basename(path)}: ${reading.leftOut} translations left out, from before the line that gives their device a domain`,
      );
    logs[given] = { ...reading, times: (logs[given]?.times ?? 0) + 1 };
    left -= builder.tenantsInLog;
    if (left < 0) {
      warnings.push(
        `${basename(path)} has more domains than tenants were asked for: ${builder.tenantsInLog} (quirk Q17)`,
      );
      left = on.includes('domainChange') ? Number.POSITIVE_INFINITY : 0;
    }
  }
  const summary = builder.summary();
  warnings.push(...warningsOf(summary, options.mode));
  const consec = options.burst * translationsPerPacket;
  const order = builder.merge(options.order, consec);
  if (order.length === 0) throw noWholeTurn(options);
  const absent = builder.absentFrom(order);
  if (absent.length > 0)
    warnings.push(
      `${absent.length} of ${builder.tenants} tenants have fewer than the ${consec} translations of one turn and are not in the trace: domains ${listed(absent.map(String), ', ')} (quirk Q16; --quirks partialTurns keeps them)`,
    );
  const files = {
    translations: `${options.out}_iotlb_trace.bin`,
    contexts: `${options.out}_cc_data.bin`,
    tables: `${options.out}_slpt_data.bin`,
  };
  writeFilesAtomically([
    [files.translations, builder.translationRecords(order)],
    [files.contexts, builder.contextRecords()],
    [files.tables, builder.tableRecords()],
  ]);
  return {
    tenants: builder.tenants,
    translations: order.length,
    order: options.order,
    consec,
    contexts: summary.contexts,
    tables: summary.tables,
    logs,
    files,
    warnings,
    quirks: on,
  };
}

export function parseQuirks(text: string): readonly BuildQuirk[] {
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const known = buildQuirkNames.find((quirk) => quirk === name.trim());
    if (known === undefined)
      throw new StrataError({
        code: 'io.unknown-quirk',
        what: `unknown quirk ${name}`,
        where: '--quirks',
        expected: `none, or a list of ${buildQuirkNames.join(', ')}`,
        mend: suggestion(name, buildQuirkNames),
      });
    return known;
  });
}

async function readLog(
  path: string,
  builder: TraceBuilder,
  devices: number,
  on: readonly BuildQuirk[],
  { signal, progress }: BuildContext,
): Promise<LogReading> {
  const input = await openInput(path, { signal });
  try {
    const kind = on.length === buildQuirkNames.length ? 'collector' : (recognizeIoLog(input.head) ?? 'collector');
    builder.beginLog(devices, kind);
    const parser =
      kind === 'stock'
        ? createStockLogParser(builder, path)
        : createCollectorLogParser(builder, {
            hexGeneration: on.includes('hexGeneration'),
            carriageReturn: on.includes('carriageReturn'),
          });
    for await (const chunk of input.chunks) {
      signal.throwIfAborted();
      parser.push(chunk);
      progress.update({ done: parser.lines, share: input.progress() });
    }
    parser.end();
    const { lines } = parser;
    return 'events' in parser
      ? { path, kind, lines, events: parser.events, leftOut: 0 }
      : { path, kind, lines, events: parser.translations, leftOut: parser.withoutDomain };
  } finally {
    await input.close();
  }
}

function devicesOf(path: string): number {
  const named = /_vm_([0-9]+)_/.exec(basename(path));
  return named === null || Number(named[1]) === 0 ? defaultDevices : Number(named[1]);
}

function warningsOf(summary: BuildSummary, mode: BuildOptions['mode']): string[] {
  const warnings: string[] = [];
  if (summary.withoutContext.length > 0) {
    const names = listed(summary.withoutContext.map(({ log, sid }) => `${deviceName(sid)} (log ${log})`));
    if (mode === 'correct')
      throw new StrataError({
        code: 'io.no-context',
        what: `translations of a device that no context entry names: ${names}`,
        where: '--log',
        expected: 'a vtd_iotlb_cc_update or vtd_iotlb_cc_hit line of each device',
        mend: 'Record with those events on from the start, or use --mode compat, which takes the domain from the look-ups.',
      });
    warnings.push(`devices without a context entry: ${names}`);
  }
  if (summary.sidCollisions.length > 0) {
    const names = summary.sidCollisions.map(
      ({ sid, dids }) => `SID 0x${sid.toString(16)} = domains ${dids.join(', ')}`,
    );
    warnings.push(`${summary.sidCollisions.length} SIDs belong to several tenants (quirk Q14): ${listed(names)}`);
  }
  if (summary.domainChanges.length > 0)
    warnings.push(
      `devices whose domain changed (quirk Q17): ${listed(summary.domainChanges.map(({ log, sid }) => `${deviceName(sid)} (log ${log})`))}`,
    );
  if (summary.overwrittenTables > 0)
    warnings.push(
      `${summary.overwrittenTables} page-table entries changed in the course of the logs; the last is kept`,
    );
  return warnings;
}

function tooFewTenants(found: number, { tenants, logs }: BuildOptions): StrataError {
  return new StrataError({
    code: 'io.too-few-tenants',
    what: 'the logs have fewer tenants than asked for',
    where: logs.map((path) => basename(path)).join(', '),
    expected: `${tenants} tenants`,
    found: `${found}`,
    mend: `Ask for at most ${found}, give more logs, or --repeat to take each log again as another machine.`,
  });
}

function noWholeTurn({ logs, burst, order }: BuildOptions): StrataError {
  return new StrataError({
    code: 'io.no-whole-turn',
    what: `${order === 'rr' ? 'a tenant has' : 'all tenants have'} fewer translations than one turn takes`,
    where: logs.map((path) => basename(path)).join(', '),
    expected: `at least ${burst * translationsPerPacket} translations of each tenant, for turns of ${burst} packets`,
    mend: 'Take a smaller --burst or fewer --tenants, --order orig, or --quirks partialTurns, which cuts turns short as the original does.',
  });
}

function noTranslations(path: string, { kind, lines }: LogReading, on: readonly BuildQuirk[]): StrataError {
  return new StrataError({
    code: 'io.no-translations',
    what: 'no translation of a tenant',
    where: path,
    expected:
      kind === 'stock'
        ? 'lines of vtd_dmar_translate, amdvi_translation_result or iommu:map'
        : 'lines of vtd_iotlb_page_hit and vtd_iotlb_page_update with pmask and level',
    found: `none in ${lines} lines`,
    mend:
      on.length > 0
        ? 'A stock log, one with carriage returns, or devices on other buses need --mode correct (quirk Q20).'
        : 'Check that the IOMMU was on and the devices sit in slots 00:02.0 and up or on another bus.',
  });
}
