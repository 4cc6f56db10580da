import { readFileSync } from 'node:fs';
import { FarUsageError } from '../errors.ts';

/** Where an agent listens. */
export type AgentAddress =
  | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number; readonly options: URLSearchParams }
  | { readonly kind: 'unix'; readonly path: string; readonly options: URLSearchParams };

/**
 * Reads `127.0.0.1:7900`, `tcp://127.0.0.1:7900`, `tls://far.example:7900?ca=FILE&secret-file=FILE`, `unix:///run/far.sock`.
 * @throws FarUsageError
 */
export function parseAddress(text: string): AgentAddress {
  const [place = '', query = ''] = splitOnce(text, '?');
  const options = new URLSearchParams(query);
  const [scheme, rest] = place.includes('://') ? splitOnce(place, '://') : ['tcp', place];
  if (scheme === 'unix' && rest) return { kind: 'unix', path: rest, options };
  const match = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(rest ?? '');
  const port = Number(match?.[3]);
  if ((scheme !== 'tcp' && scheme !== 'tls') || !match || port > 65_535)
    throw new FarUsageError(
      `"${text}" is no address of an agent; expected HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT?ca=FILE or unix:///PATH`,
    );
  return { kind: scheme, host: (match[1] ?? match[2])!, port, options };
}

/** The address as text, without its options, which may name secrets. */
export function formatAddress(address: AgentAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.kind}://${host}:${address.port}`;
}

/** Whether only this machine can reach the address. A name other than `localhost` counts as reachable from elsewhere. */
export function isLocalOnly(address: AgentAddress): boolean {
  if (address.kind === 'unix') return true;
  const host = address.host.toLowerCase();
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host);
}

/** The shared secret in a file: its bytes without white space at the end. @throws FarUsageError */
export function readSecret(file: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trimEnd();
  } catch (cause) {
    throw new FarUsageError(
      `the secret file ${file} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
    );
  }
  if (Buffer.byteLength(text) < 16)
    throw new FarUsageError(
      `the secret in ${file} has ${Buffer.byteLength(text)} bytes; expected at least 16, for example from \`openssl rand -hex 32\``,
    );
  return Buffer.from(text);
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)];
}
