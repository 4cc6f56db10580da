import { readFileSync } from 'node:fs';
import { type AccessBlock, AccessKind, createBlock, vpnOfAddress } from '@strata/model/machine';
import { type CompatTable, compatTableBuilder } from '@strata/model/translation/compat';
import { decompress } from 'fzstd';
import { reference } from './components.ts';

// The plainest decoders of the DMT artifact's files, for tests that must not depend on the readers they help to check.

/** Values of the record types that the artifact's two 20-byte dialects number differently (specification, translation 1.3). */
const dialects = {
  native: { prefetch: 8, fetch: 16, threadExit: 29, thread: 28, pid: 30, footer: 32, marker: 34, noFetch: 35 },
  virtualized: { prefetch: 32, fetch: 40, threadExit: 53, thread: 52, pid: 54, footer: 56, marker: 58, noFetch: 59 },
} as const;

export function referenceBytes(name: string): Uint8Array {
  return decompress(readFileSync(reference(`translation/${name}`)));
}

export function decodeArtifactTrace(bytes: Uint8Array, dialect: keyof typeof dialects): AccessBlock {
  const types = dialects[dialect];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const block = createBlock(bytes.byteLength / 20);
  const threads: number[] = [];
  let thread = 0;
  for (let at = 20; at < bytes.byteLength; at += 20) {
    const type = view.getUint16(at, true);
    if (type === types.footer) break;
    if (type === types.thread) {
      const id = view.getUint32(at + 4, true);
      if (!threads.includes(id)) threads.push(id);
      thread = threads.indexOf(id);
      continue;
    }
    const kind = kindOf(type, types);
    if (kind === undefined) continue;
    const i = block.length++;
    block.kind[i] = kind;
    block.size[i] = view.getUint16(at + 2, true);
    block.lo[i] = view.getUint32(at + 4, true);
    block.hi[i] = view.getUint32(at + 8, true);
    block.thread[i] = thread;
  }
  return block;
}

function kindOf(type: number, types: (typeof dialects)[keyof typeof dialects]): number | undefined {
  if (type === 0) return AccessKind.load;
  if (type === 1) return AccessKind.store;
  if (type >= types.prefetch && type < types.prefetch + 8) return AccessKind.prefetch;
  if (type >= types.fetch && type < types.fetch + 7) return AccessKind.fetch;
  if (type === types.threadExit) return AccessKind.threadExit;
  if (type === types.marker) return AccessKind.marker;
  if (type === types.noFetch) return AccessKind.noFetch;
  return undefined;
}

/** @param scale 4096 turns a dump of frame numbers into byte addresses, 1/4096 the reverse */
export function parseDump(text: string, scale = 1): CompatTable {
  const [count, ...rows] = text.trimEnd().split('\n');
  const builder = compatTableBuilder(Number(count));
  for (const row of rows) {
    const [va, ...columns] = row.split(',');
    const [root, second, third, fourth, target] = columns.map((column) => Number.parseInt(column, 16) * scale);
    builder.add(vpnOfAddress(BigInt(`0x${va!}`)), root!, second!, third!, fourth!, target!);
  }
  return builder.build();
}

export function referenceDump(name: string, scale = 1): CompatTable {
  return parseDump(new TextDecoder().decode(referenceBytes(name)), scale);
}
