import type { FarMemoryStats } from '@strata/far-memory';
import { StrataError } from '@strata/model/machine';
import { type Command, InvalidArgumentError } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { jsonDocument, print } from '../terminal/output.ts';
import { formatBytes, formatCount } from '../terminal/quantities.ts';
import { parseOpenMetrics, type Samples } from './open-metrics.ts';

interface TopOptions {
  readonly interval: number;
  readonly once?: boolean;
  readonly json?: boolean;
}

export function registerTop(parent: Command): void {
  const command = parent
    .command('top <endpoints...>')
    .description(
      'watch agents and programs: an endpoint is what strata far agent --metrics prints, or an address where a program answers with JSON.stringify(far.stats())',
    )
    .option('--interval <seconds>', 'between two looks', seconds, 1)
    .option('--once', 'one look, then end; rates are since the start of the agent')
    .option('--json', 'one JSON document per look, on a line of its own (with --once: one document)');
  addExamples(command, [
    'strata far top 127.0.0.1:9464',
    'strata far top --once --json 127.0.0.1:9464 127.0.0.1:9465',
  ]).action(top);
}

/** How one program stands: a far memory's `stats()`. Counts since its opening. */
export interface RuntimeView {
  readonly endpoint: string;
  readonly state: 'up';
  readonly hits: number;
  readonly misses: number;
  /** Null before the first access; without `countHits` only accesses off the fast path count. */
  readonly hitRatio: number | null;
  readonly segments: number;
  readonly freeSegments: number;
  readonly pinnedSegments: number;
  readonly evacuated: number;
  readonly cleanDropped: number;
  readonly dirtyWritten: number;
  readonly longestTickMs: number;
  readonly waitMs: number;
  readonly agents: readonly { readonly address: string; readonly state: string; readonly objects: number }[];
}

/** How one agent stands. Rates are per second since the look before; at the first look since the agent's start. */
export interface AgentView {
  readonly endpoint: string;
  readonly state: 'up' | 'down';
  /** Why it is down. */
  readonly problem: string | null;
  readonly clients: number | null;
  readonly objects: number | null;
  readonly liveBytes: number | null;
  readonly memoryBytes: number | null;
  readonly memoryLimitBytes: number | null;
  readonly spillBytes: number | null;
  readonly readsPerSecond: number | null;
  readonly writesPerSecond: number | null;
  /** Reads that found their object, share of all since the start. */
  readonly hitRatio: number | null;
  readonly segmentsCleaned: number | null;
  readonly uptimeSeconds: number | null;
}

interface Look {
  readonly samples: Samples;
  readonly at: number;
}

async function top(endpoints: readonly string[], { interval, once = false, json = false }: TopOptions): Promise<void> {
  const urls = endpoints.map(urlOf);
  const before = new Map<string, Look>();
  const live = process.stdout.isTTY === true && !json && !once;
  await interruptible(async (signal) => {
    while (!signal.aborted) {
      const agents = await Promise.all(urls.map((url) => look(url, before)));
      if (json) print(once ? `${jsonDocument({ agents })}\n` : `${JSON.stringify({ schemaVersion: 1, agents })}\n`);
      else print(`${live ? '\x1b[H\x1b[2J' : ''}${agents.flatMap(linesOf).join('\n')}\n`);
      if (once) {
        const down = agents.find((view) => view.state === 'down');
        if (down?.state === 'down') throw unreachable(down);
        return;
      }
      await pause(interval * 1000, signal);
    }
  });
}

type View = AgentView | RuntimeView;

async function look(url: string, before: Map<string, Look>): Promise<View> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`answers with status ${answer.status}`);
    const text = await answer.text();
    if (text.startsWith('{')) return runtimeViewOf(url, text);
    const now: Look = { samples: parseOpenMetrics(text, url), at: performance.now() };
    const view = viewOf(url, now, before.get(url));
    before.set(url, now);
    return view;
  } catch (error) {
    before.delete(url);
    return downView(url, messageOf(error));
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}

const prefix = 'strata_far_agent_';

export function viewOf(endpoint: string, now: Look, last: Look | undefined): AgentView {
  const value = (name: string, look: Look = now) => look.samples.get(`${prefix}${name}`) ?? null;
  // An agent that was started anew counts from zero.
  const isSame = last !== undefined && (value('uptime_seconds') ?? 0) >= (value('uptime_seconds', last) ?? 0);
  const rate = (name: string) => {
    const count = value(name);
    const elapsed = isSame ? (now.at - last.at) / 1000 : value('uptime_seconds');
    if (count === null || elapsed === null || elapsed <= 0) return null;
    return (count - (isSame ? (value(name, last) ?? 0) : 0)) / elapsed;
  };
  const reads = value('reads_total');
  const failed = (value('reads_absent_total') ?? 0) + (value('reads_unreadable_total') ?? 0);
  return {
    endpoint,
    state: 'up',
    problem: null,
    clients: value('clients'),
    objects: value('objects'),
    liveBytes: value('live_bytes'),
    memoryBytes: value('memory_bytes'),
    memoryLimitBytes: value('memory_limit_bytes'),
    spillBytes: value('spill_bytes'),
    readsPerSecond: rate('reads_total'),
    writesPerSecond: rate('writes_total'),
    hitRatio: reads === null || reads + failed === 0 ? null : reads / (reads + failed),
    segmentsCleaned: value('segments_cleaned_total'),
    uptimeSeconds: value('uptime_seconds'),
  };
}

/** @throws Error where the document is no `stats()` */
export function runtimeViewOf(endpoint: string, text: string): RuntimeView {
  const stats: FarMemoryStats = JSON.parse(text);
  if (typeof stats.hits !== 'number' || !Array.isArray(stats.segments) || !Array.isArray(stats.agents))
    throw new Error('answers with JSON that is no far.stats()');
  const { hits, misses, segments, freeSegments, evacuated, cleanDropped, dirtyWritten, longestTickMs, waitMs } = stats;
  return {
    endpoint,
    state: 'up',
    hits,
    misses,
    hitRatio: hits + misses === 0 ? null : hits / (hits + misses),
    segments: segments.length + freeSegments,
    freeSegments,
    pinnedSegments: segments.filter(({ pins }) => pins > 0).length,
    evacuated,
    cleanDropped,
    dirtyWritten,
    longestTickMs,
    waitMs,
    agents: stats.agents.map(({ address, state, objects }) => ({ address, state, objects })),
  };
}

function runtimeLinesOf(view: RuntimeView): string[] {
  return [
    `hits ${view.hitRatio === null ? '-' : `${(view.hitRatio * 100).toFixed(1)} %`}, ${formatCount(view.misses)} misses, waited ${view.waitMs.toFixed(0)} ms`,
    `${view.freeSegments} of ${view.segments} segments free, ${view.pinnedSegments} pinned`,
    `evacuation: ${formatCount(view.evacuated)} moved, ${formatCount(view.cleanDropped)} dropped, ${formatCount(view.dirtyWritten)} written, longest ${view.longestTickMs.toFixed(1)} ms`,
    ...view.agents.map(({ address, state, objects }) => `${address}: ${state}, ${formatCount(objects)} objects`),
  ];
}

function downView(endpoint: string, problem: string): AgentView {
  return {
    endpoint,
    state: 'down',
    problem,
    clients: null,
    objects: null,
    liveBytes: null,
    memoryBytes: null,
    memoryLimitBytes: null,
    spillBytes: null,
    readsPerSecond: null,
    writesPerSecond: null,
    hitRatio: null,
    segmentsCleaned: null,
    uptimeSeconds: null,
  };
}

/** The endpoint, and below it what is known of it: lines that a terminal does not break. */
function linesOf(view: View): string[] {
  if (view.state === 'down') return [view.endpoint, `  down: ${view.problem}`];
  return [view.endpoint, ...('hits' in view ? runtimeLinesOf(view) : agentLinesOf(view)).map((line) => `  ${line}`)];
}

function agentLinesOf(view: AgentView): string[] {
  const count = (value: number | null) => (value === null ? '-' : formatCount(Math.round(value)));
  const bytes = (value: number | null) => (value === null ? '-' : formatBytes(value));
  return [
    `${count(view.objects)} objects of ${count(view.clients)} clients, ${bytes(view.liveBytes)} live in ${bytes(view.memoryBytes)} of ${bytes(view.memoryLimitBytes)}, ${bytes(view.spillBytes)} spilled`,
    `${count(view.readsPerSecond)} reads/s, ${count(view.writesPerSecond)} writes/s, found ${view.hitRatio === null ? '-' : `${(view.hitRatio * 100).toFixed(1)} %`}, ${count(view.segmentsCleaned)} segments cleaned`,
  ];
}

function unreachable({ endpoint, problem }: AgentView): StrataError {
  return new StrataError({
    code: 'far.unreachable',
    what: `no statistics: ${problem}`,
    where: endpoint,
    mend: 'Start the agent with --metrics 127.0.0.1:PORT and give the address that it prints.',
    exitCode: 3,
  });
}

/** @throws StrataError `usage.endpoint` */
export function urlOf(text: string): string {
  const address = /^https?:\/\//.test(text) ? text : `http://${text}`;
  try {
    const url = new URL(address);
    if (url.pathname === '/') url.pathname = '/metrics';
    return url.href;
  } catch {
    throw new StrataError({
      code: 'usage.endpoint',
      what: 'not an address',
      where: 'endpoint',
      expected: 'HOST:PORT or http://HOST:PORT/metrics',
      found: text,
    });
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0.05 && value <= 3600)) throw new InvalidArgumentError('expected seconds from 0.05 to 3600.');
  return value;
}
