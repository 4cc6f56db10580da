import type { Socket } from 'node:net';
import { FarAgentError, type FarMemoryError } from '../errors.ts';
import { type AgentAddress, formatAddress } from '../protocol/address.ts';
import { writeBody } from '../protocol/bytes.ts';
import { encodeFrame, type Frame, flag, op, ProtocolError } from '../protocol/frames.ts';
import type { Welcome } from '../protocol/hello.ts';
import { readErrorAnswer, readRefusals, refusalOf } from './answer-errors.ts';
import { failEntry, type InFlight, settleWrite } from './in-flight.ts';
import { createPatientClock } from './patient-clock.ts';
import { createQueues } from './queues.ts';
import { createReceiver, type ReadBatch } from './receiver.ts';
import type { FreeRequest, ReadRequest, Waiting, WriteRequest } from './requests.ts';
import { createSender } from './sender.ts';
import { type Credentials, type OpenConnection, openConnection } from './socket.ts';
import { createWindow } from './window.ts';

export interface LinkOptions {
  readonly address: AgentAddress;
  readonly credentials: Credentials;
  /** A request without an answer for so long fails, ms. */
  readonly timeoutMilliseconds: number;
  /** Objects, and bytes of objects, in flight on the connection. */
  readonly windowObjects: number;
  readonly windowBytes: number;
  /** The connection is up; the link's queues move once this returns. */
  onUp(welcome: Welcome): void;
  /** An attempt to connect failed; requests fail at once until one succeeds. */
  onDown(reason: FarAgentError): void;
}

/** One agent and the connection to it, opened again whenever it ends. */
export interface AgentLink {
  readonly name: string;
  /** `connecting`: requests wait; `down`: they fail at once (the breaker is open). */
  readonly state: 'connecting' | 'up' | 'down';
  readonly inFlightObjects: number;
  /** The last requests went unanswered. Others are to be asked first. */
  readonly isSuspect: boolean;
  read(request: ReadRequest): void;
  write(request: WriteRequest): void;
  /** Told to the agent as soon as it can be, and again after an interruption. */
  free(request: FreeRequest): void;
  /** Forgets what waits to be freed: the agent has forgotten it too. */
  clearFrees(): void;
  /** Any other operation; all parts of the answer together. @throws FarMemoryError */
  request(operation: number, flags: number, body: Uint8Array, timeoutMilliseconds?: number): Promise<Uint8Array>;
  close(): void;
}

const firstRetryMilliseconds = 20;
const longestRetryMilliseconds = 1000;
const pingMilliseconds = 1000;
/** A connection on which one answer is this many time-outs late is closed. */
const patience = 4;

export function createAgentLink(options: LinkOptions): AgentLink {
  const { timeoutMilliseconds } = options;
  const name = formatAddress(options.address);
  const queues = createQueues();
  /** Other requests that wait for the connection. */
  const begins: (() => void)[] = [];
  const inFlight = new Map<number, InFlight>();
  const flying = createWindow();
  const closing = new AbortController();
  let state: AgentLink['state'] = 'connecting';
  let socket: Socket | undefined;
  let isClosed = false;
  let isPumpDue = false;
  let retryMilliseconds = firstRetryMilliseconds;
  let nextRequestId = 2;
  let failedAttempts = 0;
  let lastHeard = 0;
  let isSuspect = false;
  let lastError = agentError('FAR_AGENT_CLOSED', 'not connected yet');
  let retryTimer: NodeJS.Timeout | undefined;
  const sweepMilliseconds = Math.max(5, Math.min(250, timeoutMilliseconds / 8));
  const clock = createPatientClock(2 * sweepMilliseconds);
  const sender = createSender({
    ...options,
    queues,
    inFlight,
    flying,
    clock,
    takeRequestId,
    onEnd: finish,
  });
  const sweeper = setInterval(sweep, sweepMilliseconds);
  sweeper.unref();

  function agentError(code: ConstructorParameters<typeof FarAgentError>[0], message: string): FarAgentError {
    return new FarAgentError(code, name, `agent ${name}: ${message}`);
  }

  // --- connecting

  function open(): void {
    openConnection(options.address, options.credentials, timeoutMilliseconds, closing.signal).then(
      onOpen,
      (error: FarAgentError) => {
        if (isClosed) return;
        failedAttempts++;
        lastError = error;
        // One greeting that was cut short is tried again before anything fails for it.
        if (failedAttempts > 1 || error.code !== 'FAR_AGENT_CLOSED') {
          state = 'down';
          failQueued(error);
        }
        options.onDown(error);
        retryTimer = setTimeout(open, retryMilliseconds);
        retryMilliseconds = Math.min(longestRetryMilliseconds, retryMilliseconds * 2);
      },
    );
  }

  function onOpen(connection: OpenConnection): void {
    if (isClosed) return void connection.socket.destroy();
    socket = connection.socket;
    const receiver = createReceiver(batchOf, onFrame);
    connection.receive((chunk) => {
      lastHeard = clock.now();
      isSuspect = false;
      try {
        receiver.push(chunk);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        lastError = agentError('FAR_AGENT_PROTOCOL', error.message);
        socket?.destroy();
      }
    });
    socket.on('error', (error) => {
      lastError = agentError('FAR_AGENT_CLOSED', error.message);
    });
    socket.on('close', onClose);
    lastHeard = clock.now();
    state = 'up';
    failedAttempts = 0;
    retryMilliseconds = firstRetryMilliseconds;
    lastError = agentError('FAR_AGENT_CLOSED', 'the connection was closed');
    options.onUp(connection.welcome);
    for (const begin of begins.splice(0)) begin();
    pump();
  }

  function onClose(): void {
    socket = undefined;
    state = 'connecting';
    for (const entry of inFlight.values()) queues.putBack(entry, lastError);
    inFlight.clear();
    flying.clear();
    if (!isClosed) open();
  }

  function failQueued(error: FarMemoryError): void {
    queues.fail(error);
    for (const begin of begins.splice(0)) begin();
  }

  // --- sending

  function schedulePump(): void {
    if (isPumpDue || queues.isEmpty()) return;
    isPumpDue = true;
    // After all microtasks of this turn, so that its reads travel together.
    process.nextTick(() => {
      isPumpDue = false;
      pump();
    });
  }

  function pump(): void {
    if (state === 'up' && socket !== undefined) sender.sendTo(socket);
  }

  function takeRequestId(): number {
    const requestId = nextRequestId;
    nextRequestId = nextRequestId === 0xffff_ffff ? 2 : nextRequestId + 1;
    return requestId;
  }

  // --- answers

  function batchOf(requestId: number): ReadBatch | undefined {
    const entry = inFlight.get(requestId);
    return entry?.kind === 'reads' ? entry.batch : undefined;
  }

  function finish(entry: InFlight, requestId: number): void {
    inFlight.delete(requestId);
    flying.leave(entry);
    schedulePump();
  }

  function onFrame({ requestId, op: operation, flags, body }: Frame): void {
    const entry = inFlight.get(requestId);
    if (operation === op.error) {
      onError(requestId, entry, body);
      return;
    }
    // The answer of a request that was given up.
    if (entry === undefined) return;
    if (entry.kind === 'writes' && operation === op.mput) onWritten(entry.writes, body);
    else if (entry.kind === 'other' && operation === entry.operation) {
      entry.parts.push(body);
      if ((flags & flag.more) !== 0) return;
      entry.resolve(entry.parts.length === 1 ? body : Buffer.concat(entry.parts));
    } else if (entry.kind !== 'frees' || operation !== op.free)
      throw new ProtocolError(`an answer to operation ${operation}, which was not asked for`);
    finish(entry, requestId);
  }

  function onWritten(batch: readonly Waiting<WriteRequest>[], body: Uint8Array): void {
    const refusals = readRefusals(body);
    for (const [index, write] of batch.entries()) settleWrite(write, refusalOf(name, refusals.get(index)));
  }

  function onError(requestId: number, entry: InFlight | undefined, body: Uint8Array): void {
    const { error, message } = readErrorAnswer(name, body);
    if (entry === undefined) {
      // An error of the connection as a whole: the close that follows is its consequence.
      lastError = agentError('FAR_AGENT_PROTOCOL', message);
      return;
    }
    failEntry(entry, error);
    finish(entry, requestId);
  }

  // --- time

  function sweep(): void {
    clock.tick();
    const now = clock.now();
    const late = agentError('FAR_AGENT_TIMEOUT', `no answer within ${timeoutMilliseconds} ms`);
    queues.expire(now, late);
    let isLate = false;
    let isHopeless = false;
    for (const [requestId, entry] of inFlight) {
      if (entry.deadline > now) continue;
      isLate = true;
      // Answers come, but never this one.
      if (entry.deadline + timeoutMilliseconds * patience <= now) isHopeless = true;
      failEntry(entry, late);
      if (entry.kind === 'other' && entry.operation === op.call) cancelCall(requestId);
      // Reads stay in the table, since their bytes may still come and must be skipped.
      if (entry.kind === 'other' || entry.kind === 'writes') finish(entry, requestId);
    }
    if (isLate) isSuspect = true;
    // Nothing at all for so long with something in flight: the other end is gone, whatever the socket says.
    if (isHopeless || (isLate && now - lastHeard >= timeoutMilliseconds)) {
      lastError = late;
      socket?.destroy();
    } else if (state === 'up' && inFlight.size === 0 && now - lastHeard > pingMilliseconds) {
      request(op.ping, 0, new Uint8Array(0)).catch(() => undefined);
    }
  }

  function cancelCall(requestId: number): void {
    socket?.write(encodeFrame(takeRequestId(), op.cancel, 0, writeBody(4).u32(requestId).done()));
  }

  function request(
    operation: number,
    flags: number,
    body: Uint8Array,
    timeout = timeoutMilliseconds,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        if (state !== 'up') return reject(lastError);
        const requestId = takeRequestId();
        const deadline = clock.now() + timeout;
        const entry: InFlight = { kind: 'other', deadline, operation, parts: [], resolve, reject };
        inFlight.set(requestId, entry);
        socket!.write(encodeFrame(requestId, operation, flags, body));
      };
      if (state === 'connecting' && !isClosed) begins.push(begin);
      else begin();
    });
  }

  open();
  return {
    name,
    get state() {
      return state;
    },
    get inFlightObjects() {
      return flying.objects;
    },
    get isSuspect() {
      return isSuspect;
    },
    read(made) {
      if (state === 'down' || isClosed) return made.settle({ kind: 'failed', error: lastError });
      queues.addRead(made, clock.now() + timeoutMilliseconds);
      schedulePump();
    },
    write(made) {
      if (state === 'down' || isClosed) return made.settle(lastError);
      queues.addWrite(made, clock.now() + timeoutMilliseconds);
      schedulePump();
    },
    free(made) {
      queues.frees.push(made);
      schedulePump();
    },
    clearFrees: () => void queues.frees.splice(0),
    request,
    close() {
      if (isClosed) return;
      isClosed = true;
      closing.abort();
      clearInterval(sweeper);
      clearTimeout(retryTimer);
      lastError = agentError('FAR_AGENT_CLOSED', 'the store was closed');
      for (const entry of inFlight.values()) if (entry.kind === 'other') entry.reject(lastError);
      if (socket === undefined) {
        failQueued(lastError);
        // Whoever waits for the first connection would wait for ever.
        options.onDown(lastError);
      } else {
        socket.once('close', () => failQueued(lastError));
        socket.destroy();
      }
    },
  };
}
