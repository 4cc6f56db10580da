/**
 * Frames of the far-memory protocol, version 1 (specs/far-memory.md A2.4), little-endian:
 *
 *     length u32 | request id u32 | op u8 | flags u8 | body
 *
 * `length` counts everything after itself. Answers carry the request's id and op and may come in any order; an answer in several parts has
 * flag `more` on all but the last.
 */

/** Operations, and the body of their request -> answer. `key` is group u32, id f64. */
export const op = {
  /** see hello.ts */
  hello: 1,
  /** key -> one part as of mget */
  get: 2,
  /** count u32, keys -> parts: count u32, count x {index u32, status u32, size u32, key, version f64}, then the objects' bytes in order */
  mget: 3,
  /** key, version f64, bytes -> empty */
  put: 4,
  /** count u32, count x {key, version f64, size u32}, then bytes -> count u32 of refused, each {index u32, status u32} */
  mput: 5,
  /** version f64, count u32, keys -> count u32 of forgotten */
  free: 6,
  /** group u32 -> objects f64, bytes f64 that the agent holds of it */
  allocDs: 7,
  /** group u32, version f64 -> count f64 of forgotten; with flag `all` every group of the client */
  dropDs: 8,
  /** see call.ts -> output bytes, in parts */
  call: 9,
  /** empty -> JSON */
  stat: 10,
  /** any bytes -> the same */
  ping: 11,
  /** request id u32 of a call -> nothing */
  cancel: 12,
  /** only as an answer: code u16, text */
  error: 13,
} as const;

export const flag = {
  /** The frame is an answer. */
  response: 1,
  /** Further parts of this answer follow. */
  more: 2,
  /** hello: the second message of the handshake; call: the agent holds all objects and finishes the result; dropDs: every group. */
  final: 4,
} as const;

/** What an object's status says in the answers of mget and mput. */
export const status = { ok: 0, absent: 1, overQuota: 2, agentFull: 3, unreadable: 4 } as const;

/** Codes of error answers. */
export const errorCode = {
  /** The frame breaks the protocol; the agent closes the connection after this answer. */
  protocol: 1,
  /** The shared secret is missing or wrong; closes too. */
  refused: 2,
  overQuota: 3,
  agentFull: 4,
  /** Unknown operator or version, or arguments that it refuses. */
  operator: 5,
  /** An object of the call is not held here. */
  absent: 6,
  /** A defect of the agent or of an operator's code; the connection goes on. */
  internal: 7,
  cancelled: 8,
} as const;

/** Bytes of the length field, and of all fields before the body. */
export const lengthBytes = 4;
export const headerBytes = 10;
/** Greatest value of the length field: 16 MiB (specs/far-memory.md A2.4). */
export const maxFrameBytes = 16 * 2 ** 20;
/** Greatest object: what fits into the frame of a put or of an answer that holds nothing else. */
export const maxObjectBytes = maxFrameBytes - 256;
export const keyBytes = 12;
export const mgetEntryBytes = 32;
export const mputEntryBytes = 24;
export const protocolVersion = 1;

/** The other side sent something that is not the protocol; what it was is in the message. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/** A frame with its body copied or borrowed; a borrowed body is valid until the handler returns. */
export interface Frame {
  readonly requestId: number;
  readonly op: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** Writes a frame's header for a body of this length. */
export function writeHeader(
  into: Buffer,
  at: number,
  requestId: number,
  operation: number,
  flags: number,
  bodyBytes: number,
): void {
  into.writeUInt32LE(headerBytes - lengthBytes + bodyBytes, at);
  into.writeUInt32LE(requestId, at + 4);
  into[at + 8] = operation;
  into[at + 9] = flags;
}

/** A whole frame in a buffer of its own. */
export function encodeFrame(requestId: number, operation: number, flags: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + body.byteLength);
  writeHeader(frame, 0, requestId, operation, flags, body.byteLength);
  frame.set(body, headerBytes);
  return frame;
}

/** Cuts a byte stream into frames. Frames inside one chunk are borrowed from it; those across chunks are gathered in a buffer of their own. */
export interface FrameSplitter {
  push(chunk: Uint8Array): void;
}

/**
 * @param limit greatest length field accepted now, bytes; asked for each frame, since it grows once the peer is known
 * @throws ProtocolError from `push` for a length that cannot be, and whatever `onFrame` throws
 */
export function createFrameSplitter(limit: () => number, onFrame: (frame: Frame) => void): FrameSplitter {
  const head = new Uint8Array(headerBytes);
  const headView = new DataView(head.buffer);
  let headFilled = 0;
  let pending: Uint8Array | undefined;
  let pendingFilled = 0;

  function checkedBodyBytes(length: number): number {
    const most = limit();
    if (length < headerBytes - lengthBytes || length > most)
      throw new ProtocolError(
        `a frame's length must be from ${headerBytes - lengthBytes} to ${most} bytes, found ${length}`,
      );
    return length - (headerBytes - lengthBytes);
  }

  function emit(body: Uint8Array): void {
    onFrame({ requestId: headView.getUint32(4, true), op: head[8]!, flags: head[9]!, body });
  }

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.byteLength) {
        if (pending === undefined) {
          const wanted = Math.min(headerBytes - headFilled, chunk.byteLength - at);
          for (let i = 0; i < wanted; i++) head[headFilled + i] = chunk[at + i]!;
          headFilled += wanted;
          at += wanted;
          // A wrong length is refused before its request id arrives.
          if (headFilled >= lengthBytes && headFilled < headerBytes) checkedBodyBytes(headView.getUint32(0, true));
          if (headFilled < headerBytes) return;
          const bodyBytes = checkedBodyBytes(headView.getUint32(0, true));
          headFilled = 0;
          if (bodyBytes <= chunk.byteLength - at) {
            const body = chunk.subarray(at, at + bodyBytes);
            at += bodyBytes;
            emit(body);
            continue;
          }
          pending = new Uint8Array(Buffer.allocUnsafeSlow(bodyBytes).buffer);
          pendingFilled = 0;
        }
        const wanted = Math.min(pending.byteLength - pendingFilled, chunk.byteLength - at);
        pending.set(chunk.subarray(at, at + wanted), pendingFilled);
        pendingFilled += wanted;
        at += wanted;
        if (pendingFilled < pending.byteLength) return;
        const body = pending;
        pending = undefined;
        emit(body);
      }
    },
  };
}
