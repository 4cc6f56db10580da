import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { writeBody } from '../protocol/bytes.ts';
import {
  createFrameSplitter,
  encodeFrame,
  errorCode,
  type Frame,
  flag,
  headerBytes,
  lengthBytes,
  maxFrameBytes,
  op,
  ProtocolError,
} from '../protocol/frames.ts';
import {
  type ClientHello,
  decodeClientHello,
  encodeAgentHello,
  encodeWelcome,
  feature,
  nonceBytes,
  proofOf,
  provesSecret,
} from '../protocol/hello.ts';
import type { Client } from './clients.ts';
import type { AgentContext } from './context.ts';
import { handlers } from './requests.ts';

/** A connection as the request handlers see it. */
export interface Connection {
  readonly context: AgentContext;
  readonly client: Client;
  readonly isOpen: boolean;
  /** Calls under way, by request id. */
  readonly calls: Map<number, { cancelled: boolean }>;
  answer(requestId: number, operation: number, body: Uint8Array, flags?: number): void;
  /** Sends a whole frame that was made elsewhere; `sent` runs when its bytes are no longer needed. */
  send(frame: Uint8Array, sent?: () => void): void;
  fail(requestId: number, code: number, message: string, detail?: number): void;
  /** Work that sends much, step by step until one says that it was the last: goes on only while the peer takes it off. */
  run(step: () => boolean): void;
  /** Resolves when the peer has taken off enough of what was sent. */
  drained(): Promise<void>;
}

/** Bytes waiting for a peer above which nothing more is made for it (specs/far-memory.md A2.4: 32 MiB in flight per connection). */
const maxUnsentBytes = 32 * 2 ** 20;
/** A peer that is not known yet may send this much, and has this long to greet. */
const maxGreetingBytes = 1024;
const greetingMilliseconds = 5000;

type Handshake =
  | { readonly state: 'new' }
  | { readonly state: 'greeted'; readonly hello: ClientHello; readonly nonce: Uint8Array }
  | { readonly state: 'known'; readonly connection: Connection };

/** Serves one connection until it ends; `onEnd` runs once. What a peer sends can end its own connection only. */
export function serveConnection(socket: Socket, context: AgentContext, onEnd: () => void): void {
  let handshake: Handshake = { state: 'new' };
  let isOpen = true;
  const jobs: (() => boolean)[] = [];
  const drainWaiters: (() => void)[] = [];
  const greetingTimer = setTimeout(() => refuse(0, errorCode.protocol, 'no greeting within 5 s'), greetingMilliseconds);

  function send(frame: Uint8Array, sent?: () => void): void {
    if (!isOpen) {
      sent?.();
      return;
    }
    socket.write(frame, sent);
  }

  function fail(requestId: number, code: number, message: string, detail = 0): void {
    const body = writeBody()
      .u16(code)
      .f64(detail)
      .bytes(Buffer.from(message.slice(0, 2000)))
      .done();
    send(encodeFrame(requestId, op.error, flag.response, body));
  }

  function refuse(requestId: number, code: number, message: string): void {
    if (!isOpen) return;
    context.counters.protocolErrors++;
    fail(requestId, code, message);
    socket.end();
    close();
    // A peer that does not take the answer off does not keep the socket.
    setTimeout(() => socket.destroy(), 1000).unref();
  }

  function close(): void {
    if (!isOpen) return;
    isOpen = false;
    clearTimeout(greetingTimer);
    if (handshake.state === 'known') {
      for (const call of handshake.connection.calls.values()) call.cancelled = true;
      context.clients.detach(handshake.connection.client);
    }
    jobs.length = 0;
    for (const resume of drainWaiters.splice(0)) resume();
    onEnd();
  }

  function stepJobs(): void {
    while (isOpen && jobs.length > 0 && socket.writableLength < maxUnsentBytes) if (jobs[0]!()) jobs.shift();
    if (jobs.length > 0) socket.pause();
    else if (socket.isPaused() && socket.writableLength < maxUnsentBytes) socket.resume();
  }

  function makeConnection(client: Client): Connection {
    return {
      context,
      client,
      calls: new Map(),
      get isOpen() {
        return isOpen;
      },
      send,
      fail,
      answer: (requestId, operation, body, flags = 0) =>
        send(encodeFrame(requestId, operation, flag.response | flags, body)),
      run(step) {
        jobs.push(step);
        if (jobs.length === 1) stepJobs();
      },
      async drained() {
        while (isOpen && socket.writableLength >= maxUnsentBytes)
          await new Promise<void>((resume) => drainWaiters.push(resume));
      },
    };
  }

  function greet(frame: Frame): void {
    if (frame.op !== op.hello) throw new ProtocolError('the first frame must be a greeting');
    if (handshake.state === 'new') {
      const hello = decodeClientHello(frame.body);
      const nonce = randomBytes(nonceBytes);
      handshake = { state: 'greeted', hello, nonce };
      const answer = encodeAgentHello({
        features: feature.operators | (context.pool.spill ? feature.spill : 0),
        wantsSecret: context.secret !== undefined,
        nonce,
        proof: proofOf('agent', context.secret, hello, nonce),
      });
      send(encodeFrame(frame.requestId, op.hello, flag.response, answer));
      return;
    }
    if (handshake.state !== 'greeted') return;
    const { hello, nonce } = handshake;
    if ((frame.flags & flag.final) === 0) throw new ProtocolError('the second greeting must carry the proof');
    if (context.secret !== undefined && !provesSecret(frame.body, proofOf('client', context.secret, hello, nonce))) {
      refuse(frame.requestId, errorCode.refused, 'the shared secret is missing or wrong');
      return;
    }
    clearTimeout(greetingTimer);
    const { client, found } = context.clients.attach(Buffer.from(hello.clientId).toString('hex'), hello.quotaBytes);
    handshake = { state: 'known', connection: makeConnection(client) };
    const welcome = encodeWelcome({
      instance: context.instance,
      quotaBytes: client.log.quotaBytes,
      leaseSeconds: context.leaseSeconds,
      found,
      objects: client.log.objects,
      bytes: client.log.liveBytes,
    });
    send(encodeFrame(frame.requestId, op.hello, flag.response, welcome));
  }

  function onFrame(frame: Frame): void {
    if (!isOpen) return;
    if (handshake.state !== 'known') {
      greet(frame);
      return;
    }
    const handler = handlers.get(frame.op);
    if (handler === undefined || (frame.flags & flag.response) !== 0)
      throw new ProtocolError(`no request has operation ${frame.op} with flags ${frame.flags}`);
    try {
      handler(handshake.connection, frame);
    } catch (error) {
      if (error instanceof ProtocolError) throw new RequestError(frame.requestId, error.message);
      throw error;
    }
  }

  const splitter = createFrameSplitter(
    () => (handshake.state === 'known' ? maxFrameBytes : maxGreetingBytes + headerBytes - lengthBytes),
    onFrame,
  );

  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => {
    if (!isOpen) return;
    // One system call for all answers to what came together; an answer alone has none to wait for.
    const isAlone = chunk.length >= lengthBytes && chunk.readUInt32LE(0) === chunk.length - lengthBytes;
    if (!isAlone) socket.cork();
    try {
      splitter.push(chunk);
    } catch (error) {
      const requestId = error instanceof RequestError ? error.requestId : 0;
      const isProtocol = error instanceof ProtocolError;
      const message = error instanceof Error ? error.message : String(error);
      refuse(requestId, isProtocol ? errorCode.protocol : errorCode.internal, message);
    } finally {
      if (!isAlone) socket.uncork();
    }
    if (isOpen && socket.writableLength >= maxUnsentBytes) socket.pause();
  });
  socket.on('drain', () => {
    for (const resume of drainWaiters.splice(0)) resume();
    stepJobs();
  });
  socket.on('error', close);
  socket.on('close', close);
  socket.on('end', () => socket.end());
}

class RequestError extends ProtocolError {
  readonly requestId: number;
  constructor(requestId: number, message: string) {
    super(message);
    this.requestId = requestId;
  }
}
