import { createHmac, timingSafeEqual } from 'node:crypto';
import { readBody, writeBody } from './bytes.ts';
import { ProtocolError, protocolVersion } from './frames.ts';

/**
 * The handshake, two round trips. Each side proves that it knows the shared secret by HMAC-SHA256 over both nonces, each under its own label,
 * so that neither can be made to compute the other's proof:
 *
 *     client: magic u32, version u16, features u32, client id 16 B, quota wanted f64, nonce 32 B
 *     agent:  version u16, features u32, secret wanted u8, nonce 32 B, the agent's proof 32 B (zero without a secret)
 *     client: (flag final) the client's proof 32 B (zero without a secret)
 *     agent:  instance 16 B, quota f64, lease seconds f64, found u8, objects f64, bytes f64
 */

const magic = 0x46525453;
export const nonceBytes = 32;
export const clientIdBytes = 16;
const proofBytes = 32;

/** Features that a side may offer; none is needed to talk to it. */
export const feature = { operators: 1, spill: 2 } as const;

export interface ClientHello {
  readonly features: number;
  readonly clientId: Uint8Array;
  /** Bytes that the client would like to store; 0 = the agent's default. */
  readonly quotaBytes: number;
  readonly nonce: Uint8Array;
}

export interface AgentHello {
  readonly features: number;
  readonly wantsSecret: boolean;
  readonly nonce: Uint8Array;
  readonly proof: Uint8Array;
}

export interface Welcome {
  /** Random for each start of an agent: another instance has forgotten everything. */
  readonly instance: string;
  readonly quotaBytes: number;
  readonly leaseSeconds: number;
  /** Whether the agent still holds what this client stored before. */
  readonly found: boolean;
  readonly objects: number;
  readonly bytes: number;
}

export function encodeClientHello(hello: ClientHello): Buffer {
  return writeBody()
    .u32(magic)
    .u16(protocolVersion)
    .u32(hello.features)
    .bytes(hello.clientId)
    .f64(hello.quotaBytes)
    .bytes(hello.nonce)
    .done();
}

/** @throws ProtocolError */
export function decodeClientHello(body: Uint8Array): ClientHello {
  const reader = readBody(body);
  if (reader.u32() !== magic) throw new ProtocolError('the first frame does not greet in the far-memory protocol');
  checkVersion(reader.u16());
  const hello = {
    features: reader.u32(),
    clientId: reader.bytes(clientIdBytes).slice(),
    quotaBytes: reader.integer(),
    nonce: reader.bytes(nonceBytes).slice(),
  };
  reader.end();
  return hello;
}

export function encodeAgentHello(hello: AgentHello): Buffer {
  return writeBody()
    .u16(protocolVersion)
    .u32(hello.features)
    .u8(hello.wantsSecret ? 1 : 0)
    .bytes(hello.nonce)
    .bytes(hello.proof)
    .done();
}

/** @throws ProtocolError */
export function decodeAgentHello(body: Uint8Array): AgentHello {
  const reader = readBody(body);
  checkVersion(reader.u16());
  const hello = {
    features: reader.u32(),
    wantsSecret: reader.u8() === 1,
    nonce: reader.bytes(nonceBytes).slice(),
    proof: reader.bytes(proofBytes).slice(),
  };
  reader.end();
  return hello;
}

export function encodeWelcome(welcome: Welcome): Buffer {
  return writeBody()
    .bytes(Buffer.from(welcome.instance, 'hex'))
    .f64(welcome.quotaBytes)
    .f64(welcome.leaseSeconds)
    .u8(welcome.found ? 1 : 0)
    .f64(welcome.objects)
    .f64(welcome.bytes)
    .done();
}

/** @throws ProtocolError */
export function decodeWelcome(body: Uint8Array): Welcome {
  const reader = readBody(body);
  const welcome = {
    instance: Buffer.from(reader.bytes(16)).toString('hex'),
    quotaBytes: reader.integer(),
    leaseSeconds: reader.f64(),
    found: reader.u8() === 1,
    objects: reader.integer(),
    bytes: reader.integer(),
  };
  reader.end();
  return welcome;
}

/** What one side sends to show that it knows the secret; zeros where there is none. */
export function proofOf(
  side: 'client' | 'agent',
  secret: Uint8Array | undefined,
  client: ClientHello,
  agentNonce: Uint8Array,
): Uint8Array {
  if (secret === undefined) return new Uint8Array(proofBytes);
  return createHmac('sha256', secret)
    .update(`strata far memory ${protocolVersion} ${side}`)
    .update(client.nonce)
    .update(agentNonce)
    .update(client.clientId)
    .digest();
}

/** Compares in a time that does not depend on the bytes. */
export function provesSecret(proof: Uint8Array, expected: Uint8Array): boolean {
  return proof.byteLength === expected.byteLength && timingSafeEqual(proof, expected);
}

function checkVersion(version: number): void {
  if (version !== protocolVersion)
    throw new ProtocolError(
      `this side speaks protocol version ${protocolVersion}, the other one ${version}; install the same version of Strata`,
    );
}
