import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32, createDeflateRaw } from 'node:zlib';

const localSignature = 0x04034b50;
const directorySignature = 0x02014b50;
const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const locatorSignature = 0x07064b50;
const version = 45;
const deflate = 8;
/** 1980-01-01, the earliest date a zip can say: archives are the same bytes whenever they are made. */
const date = 0x21;
const extraBytes = 28;
const max32 = 0xffffffff;

interface Component {
  readonly name: Uint8Array;
  readonly offset: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly bytes: number;
}

/** A zip archive written component by component, always with 64-bit sizes (APPNOTE 4.5.3): chunks of long traces exceed 4 GiB. */
export class ZipWriter {
  readonly #file: FileHandle;
  readonly #components: Component[] = [];
  #offset = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const start = this.#offset;
    const nameBytes = new TextEncoder().encode(name);
    await this.#write(localHeader({ name: nameBytes, offset: start, crc: 0, compressedBytes: 0, bytes: 0 }));
    const dataStart = this.#offset;
    let crc = 0;
    let bytes = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        crc = crc32(chunk, crc);
        bytes += chunk.length;
        yield chunk;
      }
    }
    const transform = createDeflateRaw();
    const input = Readable.from(counted(), { objectMode: true, highWaterMark: 1 });
    input.on('error', (error) => transform.destroy(error));
    input.pipe(transform);
    for await (const chunk of transform as AsyncIterable<Buffer>) await this.#write(chunk);
    const component = { name: nameBytes, offset: start, crc, compressedBytes: this.#offset - dataStart, bytes };
    const header = localHeader(component);
    await this.#file.write(header, 0, header.length, start);
    this.#components.push(component);
  }

  /** Writes the directory. */
  async finish(): Promise<void> {
    const start = this.#offset;
    for (const component of this.#components) await this.#write(directoryEntry(component));
    await this.#write(ending(this.#components.length, start, this.#offset - start));
  }

  async #write(chunk: Uint8Array): Promise<void> {
    let at = 0;
    while (at < chunk.length) {
      const { bytesWritten } = await this.#file.write(chunk, at, chunk.length - at, this.#offset + at);
      at += bytesWritten;
    }
    this.#offset += chunk.length;
  }
}

function localHeader({ name, crc, compressedBytes, bytes }: Component): Uint8Array {
  const extra = 20;
  const header = new Uint8Array(30 + name.length + extra);
  const view = new DataView(header.buffer);
  view.setUint32(0, localSignature, true);
  view.setUint16(4, version, true);
  view.setUint16(8, deflate, true);
  view.setUint16(12, date, true);
  view.setUint32(14, crc, true);
  view.setUint32(18, max32, true);
  view.setUint32(22, max32, true);
  view.setUint16(26, name.length, true);
  view.setUint16(28, extra, true);
  header.set(name, 30);
  const at = 30 + name.length;
  view.setUint16(at, 1, true);
  view.setUint16(at + 2, extra - 4, true);
  view.setBigUint64(at + 4, BigInt(bytes), true);
  view.setBigUint64(at + 12, BigInt(compressedBytes), true);
  return header;
}

function directoryEntry({ name, offset, crc, compressedBytes, bytes }: Component): Uint8Array {
  const entry = new Uint8Array(46 + name.length + extraBytes);
  const view = new DataView(entry.buffer);
  view.setUint32(0, directorySignature, true);
  view.setUint16(4, version, true);
  view.setUint16(6, version, true);
  view.setUint16(10, deflate, true);
  view.setUint16(14, date, true);
  view.setUint32(16, crc, true);
  view.setUint32(20, max32, true);
  view.setUint32(24, max32, true);
  view.setUint16(28, name.length, true);
  view.setUint16(30, extraBytes, true);
  view.setUint32(42, max32, true);
  entry.set(name, 46);
  const at = 46 + name.length;
  view.setUint16(at, 1, true);
  view.setUint16(at + 2, extraBytes - 4, true);
  view.setBigUint64(at + 4, BigInt(bytes), true);
  view.setBigUint64(at + 12, BigInt(compressedBytes), true);
  view.setBigUint64(at + 20, BigInt(offset), true);
  return entry;
}

function ending(count: number, start: number, bytes: number): Uint8Array {
  const end = new Uint8Array(56 + 20 + 22);
  const view = new DataView(end.buffer);
  view.setUint32(0, end64Signature, true);
  view.setBigUint64(4, 44n, true);
  view.setUint16(12, version, true);
  view.setUint16(14, version, true);
  view.setBigUint64(24, BigInt(count), true);
  view.setBigUint64(32, BigInt(count), true);
  view.setBigUint64(40, BigInt(bytes), true);
  view.setBigUint64(48, BigInt(start), true);
  view.setUint32(56, locatorSignature, true);
  view.setBigUint64(64, BigInt(start + bytes), true);
  view.setUint32(72, 1, true);
  view.setUint32(76, endSignature, true);
  view.setUint16(84, Math.min(count, 0xffff), true);
  view.setUint16(86, Math.min(count, 0xffff), true);
  view.setUint32(88, Math.min(bytes, max32), true);
  view.setUint32(92, max32, true);
  return end;
}
