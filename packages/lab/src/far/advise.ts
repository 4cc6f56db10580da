import { type AccessBlock, AccessKind, StrataError } from '@strata/model/machine';
import { type Advisor, createAdvisor, pageBytes } from '@strata/model/paging';
import { openTrace } from '@strata/traces';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { createProgress, type Progress } from '../terminal/progress.ts';
import { parseCount, parseSize } from '../terminal/quantities.ts';
import { addReadingOptions, openOptionsOf, type ReadingOptions } from '../trace/options.ts';
import { adviceDocument, adviceFigure, adviceTable, adviceText } from './advice.ts';
import { addCostOptions, type CostOptions, costsOf } from './costs.ts';
import { isObjectLog, objectAccesses } from './object-log.ts';
import { writeFigure } from './write-figure.ts';

interface AdviseOptions extends ReadingOptions, OutputOptions, CostOptions {
  readonly objectBytes: string;
  readonly local?: string;
  readonly track: string;
  readonly figure?: string;
}

export function registerAdvise(parent: Command): void {
  const command = addReadingOptions(
    parent
      .command('advise <trace>')
      .description(
        'which granularity suits a trace, and what local memory buys; a trace is any that strata trace info reads, or a log of objects (lines of JSON or CSV with id, size, rw)',
      ),
  )
    .option('--object-bytes <size>', 'an object of a trace of addresses is an aligned block of so much', '64')
    .option('--local <sizes>', 'amounts of local memory to answer for exactly, such as 1MiB,64MiB; the first decides')
    .option('--track <count>', 'objects or pages followed exactly; beyond it pages are sampled', '2M')
    .option('--figure <file>', 'draw the curves: .svg or .png');
  addExamples(addOutputOptions(addCostOptions(command)), [
    'strata far advise gen:zipf,size=16MiB,accesses=1e5',
    'strata far advise gen:gups,size=4MiB,accesses=1e5 --local 1MiB --object-bytes 256 --json',
  ]).action(advise);
}

async function advise(trace: string, options: AdviseOptions): Promise<void> {
  const localBytes = (options.local?.split(',') ?? []).map((text) =>
    atLeast(parseSize(text, '--local'), pageBytes, '--local'),
  );
  const objectBytes = atLeast(parseSize(options.objectBytes, '--object-bytes'), 1, '--object-bytes');
  const costs = costsOf(options);
  const advisor = createAdvisor({
    localBytes,
    mostUnits: atLeast(parseCount(options.track, '--track'), 1000, '--track'),
  });
  const progress = createProgress({
    label: 'reading',
    unit: 'accesses',
    quiet: options.quiet ?? false,
    always: options.progress ?? false,
  });
  const isLog = options.format === undefined && (await isObjectLog(trace));
  const source = await interruptible((signal) =>
    isLog
      ? readLog(trace, advisor, signal, progress)
      : readTrace(trace, objectBytes, advisor, options, signal, progress),
  ).finally(() => progress.end());
  for (const warning of source.warnings) note(`warning: ${warning}`, options);
  const advice = advisor.result();
  if (advice.accesses === 0)
    throw new StrataError({ code: 'far.no-access', what: 'the trace has no access', where: trace });
  const document = adviceDocument({
    trace,
    format: source.format,
    objectBytes: isLog ? null : objectBytes,
    advice,
    costs,
    localBytes,
  });
  if (options.figure !== undefined) await writeFigure(options.figure, adviceFigure(document));
  await emit({ document: { ...document }, tables: [adviceTable(document)], text: adviceText(document) }, options);
}

interface Source {
  readonly format: string;
  readonly warnings: readonly string[];
}

async function readTrace(
  path: string,
  objectBytes: number,
  advisor: Advisor,
  options: AdviseOptions,
  signal: AbortSignal,
  progress: Progress,
): Promise<Source> {
  const reader = await openTrace(path, { ...openOptionsOf(options, signal, progress), columns: {} });
  try {
    for await (const block of reader.blocks()) {
      noteBlock(block, objectBytes, advisor);
      progress.update({ done: reader.summary.accesses, share: reader.progress() });
    }
  } finally {
    await reader.close();
  }
  return { format: reader.summary.format, warnings: reader.summary.warnings };
}

/** Address spaces lie apart: what two processes have at one address are two objects. */
const spaceBytes = 2 ** 48;
const mostSpaces = 16;

function noteBlock({ length, lo, hi, kind, size, process }: AccessBlock, objectBytes: number, advisor: Advisor): void {
  for (let row = 0; row < length; row++) {
    // Instructions and hints are no use of data.
    if (kind[row]! > AccessKind.store) continue;
    const address = (hi[row]! % 2 ** 16) * 2 ** 32 + lo[row]! + (process[row]! % mostSpaces) * spaceBytes;
    const first = Math.floor(address / objectBytes);
    const last = Math.floor((address + Math.max(1, size[row]!) - 1) / objectBytes);
    for (let object = first; object <= last; object++)
      advisor.note(object, objectBytes, object * objectBytes, kind[row] === AccessKind.store);
  }
}

/** Objects of a log lie one behind the other, in the order of their first use, as an allocator would have placed them. */
async function readLog(path: string, advisor: Advisor, signal: AbortSignal, progress: Progress): Promise<Source> {
  const placed = new Map<string, { readonly number: number; readonly address: number; readonly bytes: number }>();
  let end = 0;
  let done = 0;
  for await (const { id, bytes, isWrite } of objectAccesses(path, signal)) {
    let object = placed.get(id);
    // An object that grew moves; its number stays.
    if (object === undefined || object.bytes < bytes) {
      object = { number: object?.number ?? placed.size, address: end, bytes };
      placed.set(id, object);
      end += bytes;
    }
    advisor.note(object.number, bytes, object.address, isWrite);
    if (++done % 4096 === 0) progress.update({ done });
  }
  return { format: 'object log', warnings: [] };
}

function atLeast(value: number, least: number, where: string): number {
  if (value >= least) return value;
  throw new StrataError({
    code: 'usage.range',
    what: 'too small',
    where,
    expected: `at least ${least}`,
    found: String(value),
  });
}
