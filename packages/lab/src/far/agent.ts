import { readFileSync } from 'node:fs';
import { FarMemoryError } from '@strata/far-memory';
import { type Agent, type AgentOptions, startAgent } from '@strata/far-memory/agent';
import { loadOperators } from '@strata/far-memory/operators';
import { readSecret } from '@strata/far-memory/protocol';
import { StrataError } from '@strata/model/machine';
import { type Command, InvalidArgumentError } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { jsonDocument, note, print } from '../terminal/output.ts';
import { formatBytes, parseSize } from '../terminal/quantities.ts';

interface AgentCommandOptions {
  readonly listen: string;
  readonly memory: number;
  readonly quota?: number;
  readonly lease: number;
  readonly secretFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly spill?: string;
  readonly spillSize?: number;
  readonly metrics?: string;
  readonly operators?: string;
  readonly for?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function registerAgent(parent: Command): void {
  const command = parent
    .command('agent')
    .description('hold objects for far-memory clients, until interrupted')
    .option('--listen <address>', 'HOST:PORT (port 0: any free one) or unix:///PATH', '127.0.0.1:7900')
    .requiredOption('--memory <size>', 'memory for objects; about 60 bytes per object come on top', size('--memory'))
    .option('--quota <size>', 'greatest share of one client (default: all)', size('--quota'))
    .option('--lease <seconds>', 'how long objects outlive the last connection of their client', seconds, 60)
    .option('--secret-file <file>', 'only serve clients that know the secret in this file')
    .option('--tls-cert <file>', 'certificate, PEM; with --tls-key connections are encrypted')
    .option('--tls-key <file>', 'private key of the certificate, PEM')
    .option('--spill <file>', 'a new file that takes objects when memory is used up; gone when the agent ends')
    .option(
      '--spill-size <size>',
      'greatest size of the spill file (default: four times the memory)',
      size('--spill-size'),
    )
    .option('--metrics <address>', 'serve OpenMetrics over HTTP there, on this machine only')
    .option('--operators <file>', 'a module with further operators; it runs inside the agent')
    .option('--for <seconds>', 'end by itself after so long', seconds)
    .option('--json', 'say where it listens as one JSON document')
    .option('--quiet', 'say nothing');
  addExamples(command, [
    'strata far agent --listen 127.0.0.1:0 --memory 64MiB --for 0.2',
    'strata far agent --listen unix:///tmp/strata-far-example.sock --memory 1GiB --lease 10 --for 0.2',
  ]).action(serve);
}

async function serve(options: AgentCommandOptions): Promise<void> {
  await interruptible(async (signal) => {
    const agent = await start(options);
    announce(agent, options);
    await endOf(signal, options.for);
    await agent.close();
  }, 'closing the connections; all that it holds is forgotten');
}

async function start(options: AgentCommandOptions): Promise<Agent> {
  try {
    return await startAgent(await agentOptions(options));
  } catch (error) {
    if (!(error instanceof FarMemoryError)) throw error;
    throw new StrataError({ code: 'far.agent', what: error.message });
  }
}

async function agentOptions(options: AgentCommandOptions): Promise<AgentOptions> {
  const { tlsCert, tlsKey, spill, secretFile, operators, metrics, quota } = options;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new StrataError({
      code: 'usage.tls',
      what: 'a certificate without its key, or a key without its certificate',
      expected: '--tls-cert FILE and --tls-key FILE together',
    });
  return {
    listen: options.listen,
    memoryBytes: options.memory,
    leaseSeconds: options.lease,
    ...(quota !== undefined && { quotaBytes: quota }),
    ...(secretFile !== undefined && { secret: readSecret(secretFile) }),
    ...(tlsCert !== undefined && tlsKey !== undefined && { tls: { cert: readPem(tlsCert), key: readPem(tlsKey) } }),
    ...(spill !== undefined && { spill: { path: spill, limitBytes: options.spillSize ?? 4 * options.memory } }),
    ...(metrics !== undefined && { metrics }),
    ...(operators !== undefined && { operators: await loadOperators(operators) }),
  };
}

function announce({ address, metricsAddress }: Agent, { json, quiet, memory }: AgentCommandOptions): void {
  if (json)
    print(`${jsonDocument({ address, metrics: metricsAddress ?? null, memoryBytes: memory, pid: process.pid })}\n`);
  else if (!quiet) {
    print(`${address}\n`);
    if (process.stderr.isTTY) note(`holds up to ${formatBytes(memory)}; Ctrl-C ends it and forgets everything`);
    if (metricsAddress !== undefined) print(`${metricsAddress}\n`);
  }
}

/** Resolves at an interrupt, or after so many seconds. */
function endOf(signal: AbortSignal, afterSeconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = afterSeconds === undefined ? undefined : setTimeout(resolve, afterSeconds * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
    if (signal.aborted) resolve();
  });
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new StrataError({
      code: 'usage.file',
      what: `cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      where: file,
      expected: 'a PEM file',
    });
  }
}

function size(option: string): (text: string) => number {
  return (text) => parseSize(text, option);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1e6)) throw new InvalidArgumentError('expected seconds from 0 to 1e6.');
  return value;
}
