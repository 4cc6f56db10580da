import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { StrataError } from '@strata/model/machine';
import { temporaries } from '../../terminal/temporaries.ts';

/** A process that ends with the benchmark, however that ends (a kill excepted). */
export interface Helper<Address> {
  readonly address: Address;
  close(): Promise<void>;
}

/** Not in our process group: a Ctrl-C is ours to handle, and it must not end a server that we still talk to. */
function start(program: string, args: readonly string[], folder?: string): ChildProcess {
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    ...(folder !== undefined && { cwd: folder }),
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await ended;
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
    for await (const line of createInterface({ input: child.stdout! })) return line;
    return failed;
  })();
  return { address: await Promise.race([ready, failed]), close: () => stop(child) };
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
    await stop(child);
    await folder.close();
  };
  const ready = (async () => {
    for await (const line of createInterface({ input: child.stdout! }))
      if (/ready to accept connections/i.test(line)) return;
    await failed;
  })();
  try {
    await Promise.race([ready, failed]);
  } catch (error) {
    await close();
    throw error;
  }
  child.stdout!.resume();
  return { address: port, close };
}

function failureOf(child: ChildProcess, name: string): Promise<never> {
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'ENOENT'
          ? missing(name)
          : new StrataError({ code: 'far.helper', what: `${name} cannot be started: ${cause.message}`, exitCode: 3 }),
      ),
    );
    child.once('exit', (code, signal) =>
      reject(
        new StrataError({
          code: 'far.helper',
          what: `${name} ended before it was ready (${signal ?? code})`,
          exitCode: 3,
        }),
      ),
    );
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
