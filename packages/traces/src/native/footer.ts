import type { NativeManifest } from './manifest.ts';

/** One entry of the index, in the order of the file. */
export interface ChunkEntry {
  /** Of the section header, from the start of the file. */
  readonly offset: number;
  /** Section header and payload. */
  readonly bytes: number;
  readonly rows: number;
  readonly accesses: number;
}

const entryBytes = 12;

/** Payload of the footer: length of the JSON, JSON padded to 4 bytes, then bytes, rows and accesses of every chunk. */
export function encodeFooter(manifest: NativeManifest, chunks: readonly ChunkEntry[]): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(manifest));
  const indexAt = 4 + ((json.length + 3) & ~3);
  const bytes = new Uint8Array(indexAt + chunks.length * entryBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, json.length, true);
  bytes.set(json, 4);
  chunks.forEach((chunk, number) => {
    const at = indexAt + number * entryBytes;
    view.setUint32(at, chunk.bytes, true);
    view.setUint32(at + 4, chunk.rows, true);
    view.setUint32(at + 8, chunk.accesses, true);
  });
  return bytes;
}

/** Undefined when it contradicts itself. `firstOffset` is where the first chunk begins. */
export function decodeFooter(
  bytes: Uint8Array,
  firstOffset: number,
): { manifest: NativeManifest; chunks: ChunkEntry[] } | undefined {
  if (bytes.length < 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const jsonBytes = view.getUint32(0, true);
  const indexAt = 4 + ((jsonBytes + 3) & ~3);
  if (indexAt > bytes.length || (bytes.length - indexAt) % entryBytes !== 0) return undefined;
  const manifest = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + jsonBytes))) as NativeManifest;
  const chunks: ChunkEntry[] = [];
  let offset = firstOffset;
  for (let at = indexAt; at < bytes.length; at += entryBytes) {
    const entry = {
      offset,
      bytes: view.getUint32(at, true),
      rows: view.getUint32(at + 4, true),
      accesses: view.getUint32(at + 8, true),
    };
    chunks.push(entry);
    offset += entry.bytes;
  }
  return { manifest, chunks };
}
