import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { isIPv4 } from 'node:net';
import { type AgentAddress, formatAddress } from '../protocol/address.ts';
import { encodeFrame, flag, headerBytes, lengthBytes, maxFrameBytes, op } from '../protocol/frames.ts';
import { decodeAgentHello, encodeClientHello, feature, nonceBytes, proofOf, provesSecret } from '../protocol/hello.ts';
import { encodeMultiGet } from './encode.ts';
import { createReceiver, type ReadBatch } from './receiver.ts';
import type { ReadOutcome, ReadRequest, Waiting } from './requests.ts';
import type { Credentials } from './socket.ts';
import { failedRead, type SyncReader } from './sync-reader.ts';

/** What of the C library is called. Numbers of Linux, which are fixed by its interface to programs. */
interface CLibrary {
  socket(domain: number, type: number, protocol: number): number;
  connect(socket: number, address: Uint8Array, bytes: number): number;
  setsockopt(socket: number, level: number, name: number, value: Uint8Array, bytes: number): number;
  send(socket: number, bytes: Uint8Array, length: number, flags: number): number;
  recv(socket: number, into: Uint8Array, length: number, flags: number): number;
  close(socket: number): number;
  /** Why the last call failed. */
  errno(): number;
}

const linux = {
  AF_UNIX: 1,
  AF_INET: 2,
  SOCK_STREAM: 1,
  SOL_SOCKET: 1,
  SO_RCVTIMEO: 20,
  SO_SNDTIMEO: 21,
  IPPROTO_TCP: 6,
  TCP_NODELAY: 1,
  MSG_NOSIGNAL: 0x4000,
  EINTR: 4,
};
const receiveBytes = 256 * 1024;

let library: CLibrary | string | undefined;

/** The library, or why it cannot be had. */
function cLibrary(): CLibrary | string {
  library ??= loadCLibrary();
  return library;
}

function loadCLibrary(): CLibrary | string {
  if (process.platform !== 'linux') return `blocking sockets are implemented for Linux, not for ${process.platform}`;
  try {
    const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
    const libc = koffi.load('libc.so.6');
    return {
      socket: libc.func('int socket(int, int, int)'),
      connect: libc.func('int connect(int, const void *, uint32_t)'),
      setsockopt: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
      send: libc.func('int64_t send(int, const void *, uint64_t, int)'),
      recv: libc.func('int64_t recv(int, _Out_ void *, uint64_t, int)'),
      close: libc.func('int close(int)'),
      errno: () => koffi.errno(),
    };
  } catch (cause) {
    return `the package koffi cannot be loaded (${cause instanceof Error ? cause.message.split('\n')[0] : cause})`;
  }
}

/** A reader on a blocking socket, or why there is none. */
export function createFfiReader(
  address: AgentAddress,
  credentials: Credentials,
  timeoutMilliseconds: number,
): SyncReader | string {
  if (address.kind === 'tls') return 'TLS needs the event loop';
  const target = encodeSocketAddress(address);
  if (typeof target === 'string') return target;
  const libc = cLibrary();
  if (typeof libc === 'string') return libc;
  let connection: BlockingConnection | undefined;
  return {
    read(group, id, into) {
      // A connection that ended since the last read is opened again, once.
      for (let attempt = 0; ; attempt++) {
        const isFresh = connection === undefined;
        try {
          connection ??= openBlocking(libc, target, address, credentials, timeoutMilliseconds);
          return connection.read(group, id, into);
        } catch (error) {
          connection?.close();
          connection = undefined;
          if (error instanceof Late)
            return failedRead(address, 'FAR_AGENT_TIMEOUT', `no answer within ${timeoutMilliseconds} ms`);
          if (isFresh || attempt > 0)
            return failedRead(address, 'FAR_AGENT_CLOSED', error instanceof Error ? error.message : String(error));
        }
      }
    },
    close() {
      connection?.close();
      connection = undefined;
    },
  };
}

class Late extends Error {}

interface BlockingConnection {
  read(group: number, id: number, into: Uint8Array): ReadOutcome;
  close(): void;
}

function openBlocking(
  libc: CLibrary,
  target: Uint8Array,
  address: AgentAddress,
  credentials: Credentials,
  timeoutMilliseconds: number,
): BlockingConnection {
  const socket = libc.socket(address.kind === 'unix' ? linux.AF_UNIX : linux.AF_INET, linux.SOCK_STREAM, 0);
  if (socket < 0) throw new Error('no socket can be made');
  const timeout = new Uint8Array(
    new BigInt64Array([BigInt(Math.floor(timeoutMilliseconds / 1000)), BigInt(timeoutMilliseconds % 1000) * 1000n])
      .buffer,
  );
  for (const option of [linux.SO_RCVTIMEO, linux.SO_SNDTIMEO])
    libc.setsockopt(socket, linux.SOL_SOCKET, option, timeout, timeout.length);
  const on = new Uint8Array(Uint32Array.of(1).buffer);
  if (address.kind === 'tcp') libc.setsockopt(socket, linux.IPPROTO_TCP, linux.TCP_NODELAY, on, on.length);
  const buffer = Buffer.allocUnsafeSlow(receiveBytes);
  let deadline = 0;

  function send(bytes: Uint8Array): void {
    deadline = performance.now() + timeoutMilliseconds;
    for (let left = bytes; left.length > 0; ) {
      const sent = Number(libc.send(socket, left, left.length, linux.MSG_NOSIGNAL));
      if (sent < 0 && libc.errno() === linux.EINTR && performance.now() < deadline) continue;
      if (sent <= 0) throw new Error('the connection was closed');
      left = left.subarray(sent);
    }
  }

  /** Some bytes, valid until the next call. */
  function receive(most = receiveBytes): Uint8Array {
    const began = performance.now();
    if (began > deadline) throw new Late();
    const got = Number(libc.recv(socket, buffer, most, 0));
    if (got > 0) return buffer.subarray(0, got);
    // A signal, as profilers and timers send them: the kernel does not resume a call that has a time-out.
    if (got < 0 && libc.errno() === linux.EINTR) return receive(most);
    if (got < 0 && performance.now() - began >= timeoutMilliseconds * 0.9) throw new Late();
    throw new Error('the connection was closed');
  }

  function receiveFrame(): { readonly operation: number; readonly body: Uint8Array } {
    const frame = Buffer.concat(collect(headerBytes));
    const length = frame.readUInt32LE(0) - (headerBytes - lengthBytes);
    if (length < 0 || length > maxFrameBytes) throw new Error('its answer to the greeting is no frame');
    return { operation: frame[8]!, body: Buffer.concat(collect(length)) };
  }

  function collect(bytes: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (let left = bytes; left > 0; ) {
      const part = Uint8Array.from(receive(Math.min(left, receiveBytes)));
      parts.push(part);
      left -= part.length;
    }
    return parts;
  }

  function shakeHands(): void {
    const { clientId, quotaBytes, secret } = credentials;
    const hello = { clientId, quotaBytes, features: feature.operators, nonce: randomBytes(nonceBytes) };
    send(encodeFrame(0, op.hello, 0, encodeClientHello(hello)));
    const first = receiveFrame();
    if (first.operation !== op.hello) throw new Error('it refuses the greeting');
    const agent = decodeAgentHello(first.body);
    if (secret !== undefined && !provesSecret(agent.proof, proofOf('agent', secret, hello, agent.nonce)))
      throw new Error('it does not know the shared secret');
    send(encodeFrame(1, op.hello, flag.final, proofOf('client', secret, hello, agent.nonce)));
    if (receiveFrame().operation !== op.hello) throw new Error('it refuses the shared secret');
  }

  try {
    if (libc.connect(socket, target, target.length) !== 0)
      throw new Error(`cannot connect to ${formatAddress(address)}`);
    shakeHands();
  } catch (error) {
    libc.close(socket);
    throw error;
  }
  let batch: ReadBatch | undefined;
  const receiver = createReceiver(
    () => batch,
    () => {
      throw new Error('it answers with an error');
    },
  );
  let nextRequestId = 2;
  return {
    read(group, id, into) {
      let outcome: ReadOutcome | undefined;
      let isComplete = false;
      const request: ReadRequest = { group, id, into, priority: 'demand', settle: () => undefined };
      const waiting: Waiting<ReadRequest> = {
        request,
        deadline: 0,
        interruptions: 0,
        settled: false,
        answeredIn: undefined,
      };
      batch = {
        reads: [waiting],
        onOutcome: (_, found) => {
          outcome = found;
        },
        onEnd: () => {
          isComplete = true;
        },
      };
      send(encodeMultiGet(nextRequestId++ >>> 0, [waiting]));
      while (!isComplete) receiver.push(receive());
      return outcome ?? { kind: 'wrong', what: 'no answer' };
    },
    close: () => void libc.close(socket),
  };
}

/** The system's form of an address, or why it has none here. */
function encodeSocketAddress(address: AgentAddress): Uint8Array | string {
  if (address.kind === 'unix') {
    const path = Buffer.from(address.path);
    if (path.length > 107) return 'the path is longer than a socket may have';
    return Buffer.concat([Uint8Array.of(linux.AF_UNIX, 0), path, Uint8Array.of(0)]);
  }
  const host = address.host === 'localhost' ? '127.0.0.1' : address.host;
  if (!isIPv4(host)) return 'the host must be given as an IPv4 address';
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(linux.AF_INET, 0);
  bytes.writeUInt16BE(address.port, 2);
  for (const [index, part] of host.split('.').entries()) bytes[4 + index] = Number(part);
  return bytes;
}
