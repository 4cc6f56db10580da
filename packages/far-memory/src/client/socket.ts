import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FarAgentError, FarUsageError } from '../errors.ts';
import { type AgentAddress, formatAddress, readSecret } from '../protocol/address.ts';
import { readBody } from '../protocol/bytes.ts';
import {
  createFrameSplitter,
  encodeFrame,
  errorCode,
  type Frame,
  flag,
  op,
  ProtocolError,
} from '../protocol/frames.ts';
import {
  type ClientHello,
  decodeAgentHello,
  decodeWelcome,
  encodeClientHello,
  feature,
  nonceBytes,
  proofOf,
  provesSecret,
  type Welcome,
} from '../protocol/hello.ts';

/** Who connects, and how it shows that it may. */
export interface Credentials {
  readonly clientId: Uint8Array;
  readonly quotaBytes: number;
  readonly secret: Uint8Array | undefined;
}

export interface OpenConnection {
  readonly socket: Socket;
  readonly welcome: Welcome;
  /** From now on what arrives goes there; the bytes are borrowed. */
  receive(onBytes: (chunk: Uint8Array) => void): void;
}

/** Size of the buffer that all answers of a connection pass through. */
const receiveBytes = 256 * 1024;

/** The secret that an address names (`secret-file`). @throws FarUsageError */
export function secretOf(address: AgentAddress): Uint8Array | undefined {
  const file = address.options.get('secret-file');
  return file === null ? undefined : readSecret(file);
}

/**
 * Connects and shakes hands. An abort of `signal` gives up.
 * @throws FarAgentError; its cause carries the system's code (ECONNREFUSED)
 */
export async function openConnection(
  address: AgentAddress,
  credentials: Credentials,
  timeoutMilliseconds: number,
  signal?: AbortSignal,
): Promise<OpenConnection> {
  const name = formatAddress(address);
  let onBytes: (chunk: Uint8Array) => void = () => undefined;
  const socket = openSocket(address, (chunk) => onBytes(chunk));
  return new Promise<OpenConnection>((resolve, reject) => {
    const fail = (code: FarAgentError['code'], message: string, cause?: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      const known = code as 'FAR_AGENT_CLOSED';
      reject(Object.assign(new FarAgentError(known, name, `agent ${name}: ${message}`), { cause }));
    };
    const timer = setTimeout(
      () => fail('FAR_AGENT_TIMEOUT', `no greeting within ${timeoutMilliseconds} ms`),
      timeoutMilliseconds,
    );
    const onAbort = () => fail('FAR_AGENT_CLOSED', 'the store was closed');
    signal?.addEventListener('abort', onAbort);
    const onError = (error: Error) => fail('FAR_AGENT_CLOSED', error.message, error);
    const onClose = () => fail('FAR_AGENT_CLOSED', 'the connection was closed during the greeting');
    socket.on('error', onError);
    socket.on('close', onClose);
    const handshake = createHandshake(
      credentials,
      (frame) => socket.write(frame),
      (welcome) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        socket.off('error', onError);
        socket.off('close', onClose);
        resolve({
          socket,
          welcome,
          receive(next) {
            onBytes = next;
          },
        });
      },
    );
    onBytes = (chunk) => {
      try {
        handshake.push(chunk);
      } catch (error) {
        const isRefused = error instanceof Refused;
        fail(
          isRefused ? 'FAR_AGENT_REFUSED' : 'FAR_AGENT_PROTOCOL',
          error instanceof Error ? error.message : String(error),
        );
      }
    };
    socket.once(address.kind === 'tls' ? 'secureConnect' : 'connect', () => handshake.begin());
  });
}

/** The agent does not let this client in, or cannot show that it is the right one. */
class Refused extends Error {}

interface Handshake {
  begin(): void;
  push(chunk: Uint8Array): void;
}

function createHandshake(
  { clientId, quotaBytes, secret }: Credentials,
  send: (frame: Uint8Array) => void,
  onWelcome: (welcome: Welcome) => void,
): Handshake {
  const hello: ClientHello = { clientId, quotaBytes, features: feature.operators, nonce: randomBytes(nonceBytes) };
  let isProven = false;
  function onFrame({ op: operation, body }: Frame): void {
    if (operation === op.error) throw refusalOf(body);
    if (operation !== op.hello) throw new ProtocolError(`operation ${operation} in place of a greeting`);
    if (isProven) {
      onWelcome(decodeWelcome(body));
      return;
    }
    const agent = decodeAgentHello(body);
    if (agent.wantsSecret && secret === undefined)
      throw new Refused(
        'it wants a shared secret; name its file in the address, as in tcp://HOST:PORT?secret-file=FILE',
      );
    // An agent that asks for none while we have one is not the one we were told of.
    if (secret !== undefined && !provesSecret(agent.proof, proofOf('agent', secret, hello, agent.nonce)))
      throw new Refused('it does not know the shared secret');
    isProven = true;
    send(encodeFrame(1, op.hello, flag.final, proofOf('client', secret, hello, agent.nonce)));
  }
  const splitter = createFrameSplitter(() => 4096, onFrame);
  return {
    begin: () => send(encodeFrame(0, op.hello, 0, encodeClientHello(hello))),
    push: (chunk) => splitter.push(chunk),
  };
}

function refusalOf(body: Uint8Array): Error {
  const reader = readBody(body);
  const code = reader.u16();
  reader.f64();
  const message = reader.text(reader.remaining);
  return code === errorCode.refused ? new Refused(message) : new ProtocolError(message);
}

function openSocket(address: AgentAddress, onBytes: (chunk: Uint8Array) => void): Socket {
  if (address.kind === 'tls') {
    const socket = connectTls({
      host: address.host,
      port: address.port,
      servername: address.options.get('servername') ?? (/^[\d.:]+$/.test(address.host) ? '' : address.host),
      minVersion: 'TLSv1.2',
      ...certificateAuthority(address),
    });
    socket.setNoDelay(true);
    socket.on('data', onBytes);
    return socket;
  }
  const onread = {
    buffer: Buffer.allocUnsafeSlow(receiveBytes),
    callback(bytes: number, buffer: Uint8Array) {
      onBytes(buffer.subarray(0, bytes));
      return true;
    },
  };
  return address.kind === 'unix'
    ? connect({ path: address.path, onread })
    : connect({ host: address.host, port: address.port, noDelay: true, onread });
}

function certificateAuthority(address: AgentAddress): { readonly ca?: Buffer } {
  const file = address.options.get('ca');
  if (file === null) return {};
  try {
    return { ca: readFileSync(file) };
  } catch (cause) {
    throw new FarUsageError(
      `the certificate ${file} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
    );
  }
}
