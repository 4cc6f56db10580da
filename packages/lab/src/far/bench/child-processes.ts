import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { StrataError } from '@strata/model/machine';
import { temporaries } from '../../terminal/temporaries.ts';

/** A process that ends with the benchmark, however that ends. */
export interface Helper<Address> {
  readonly address: Address;
  close(): Promise<void>;
}

/** Exit codes of the guard, as a shell has them. */
const notFound = 127;
const notStarted = 126;

/**
 * Starts a program and ends it when its own standard input ends: the kernel closes that pipe when the benchmark dies, even of SIGKILL, which
 * no handler of ours would see.
 */
const guard = `
const { spawn } = require('node:child_process');
const [program, ...words] = process.argv.slice(1);
const child = spawn(program, words, { stdio: ['ignore', 'inherit', 'ignore'] });
child.once('error', ({ code }) => process.exit(code === 'ENOENT' ? ${notFound} : ${notStarted}));
child.once('exit', (code) => process.exit(code ?? 1));
process.stdin.once('end', () => child.kill('SIGKILL')).resume();
`;

interface Guarded {
  readonly process: ChildProcess;
  readonly output: Readable;
  stop(): Promise<void>;
}

/** Not in our process group: a Ctrl-C is ours to handle, and it must not end a server that we still talk to. */
function start(program: string, args: readonly string[], folder?: string): Guarded {
  const child = spawn(process.execPath, ['-e', guard, program, ...args], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(folder !== undefined && { cwd: folder }),
  });
  child.stdin.on('error', () => {});
  return {
    process: child,
    output: child.stdout,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.stdin.end();
      await ended;
    },
  };
}

/** A folder that is removed at the end of the process if not before. */
export function temporaryFolder(): Helper<string> {
  const path = mkdtempSync(join(tmpdir(), 'strata-far-bench-'));
  temporaries.add(path);
  return {
    address: path,
    async close() {
      rmSync(path, { recursive: true, force: true });
      temporaries.delete(path);
    },
  };
}

const command = fileURLToPath(new URL('../../../bin/strata.mjs', import.meta.url));

/** An agent of its own process. */
export async function startAgentProcess(memoryBytes: number): Promise<Helper<string>> {
  const child = start(process.execPath, [
    command,
    'far',
    'agent',
    '--listen',
    '127.0.0.1:0',
    '--memory',
    String(memoryBytes),
  ]);
  const failed = failureOf(child, 'the agent');
  const ready = (async () => {
    for await (const line of createInterface({ input: child.output })) return line;
    return failed;
  })();
  return { address: await Promise.race([ready, failed]), close: child.stop };
}

/** @throws StrataError `far.redis`, exit code 3, where redis-server is not installed */
export async function startRedis(): Promise<Helper<number>> {
  const port = await freePort();
  const folder = temporaryFolder();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    folder.address,
  ];
  const child = start(process.env.STRATA_REDIS_SERVER ?? 'redis-server', args, folder.address);
  const failed = failureOf(child, 'redis-server');
  const close = async () => {
    await child.stop();
    await folder.close();
  };
  const ready = (async () => {
    for await (const line of createInterface({ input: child.output }))
      if (/ready to accept connections/i.test(line)) return;
    await failed;
  })();
  try {
    await Promise.race([ready, failed]);
  } catch (error) {
    await close();
    throw error;
  }
  child.output.resume();
  return { address: port, close };
}

function failureOf({ process: child }: Guarded, name: string): Promise<never> {
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) =>
      reject(new StrataError({ code: 'far.helper', what: `${name} cannot be started: ${cause.message}`, exitCode: 3 })),
    );
    child.once('exit', (code, signal) => {
      if (code === notFound) reject(missing(name));
      const what =
        code === notStarted ? `${name} cannot be started` : `${name} ended before it was ready (${signal ?? code})`;
      reject(new StrataError({ code: 'far.helper', what, exitCode: 3 }));
    });
  });
  failed.catch(() => {});
  return failed;
}

function missing(name: string): StrataError {
  return new StrataError({
    code: 'far.redis',
    what: `${name} is not installed`,
    mend: 'Debian: apt-get update && apt-get install redis-server; or leave it out: --against map,lmdb.',
    exitCode: 3,
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
