import { spawnSync } from 'node:child_process';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasProgram } from '../../../../testing/components.ts';
import { temporaryFolder } from '../reading.case.ts';
import { openInput } from './input.ts';
import { decodeLz4 } from './lz4.ts';
import { createXxHash32 } from './xxhash32.ts';

const folder = temporaryFolder();
const text = new TextEncoder().encode('0x1000 R\n0x1040 W\n'.repeat(40_000));

async function contentOf(path: string, options: Parameters<typeof openInput>[1] = {}): Promise<Uint8Array> {
  const input = await openInput(path, options);
  const pieces: Uint8Array[] = [];
  try {
    for await (const chunk of input.chunks) pieces.push(chunk.slice());
  } finally {
    await input.close();
  }
  return new Uint8Array(Buffer.concat(pieces));
}

/** toEqual is too slow for many bytes. */
function sameBytes(actual: Uint8Array, expected: Uint8Array): boolean {
  return Buffer.compare(actual, expected) === 0;
}

function compress(program: string, content: Uint8Array, options: string[] = ['-c']): Uint8Array {
  return spawnSync(program, options, { input: content, maxBuffer: 1e9 }).stdout;
}

/** A zip archive with one deflated component per entry, made by hand. */
function zipOf(entries: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of entries) {
    const data = deflateRawSync(content);
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(20, 4);
    header.writeUInt16LE(8, 8);
    const checksum = crcOf(content);
    header.writeUInt32LE(checksum, 14);
    header.writeUInt32LE(data.length, 18);
    header.writeUInt32LE(content.length, 22);
    header.writeUInt16LE(name.length, 26);
    parts.push(header, Buffer.from(name), data);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(20, 4);
    entry.writeUInt16LE(20, 6);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(checksum, 16);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length + data.length;
  }
  const directoryBytes = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directoryBytes.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...parts, directoryBytes, end]));
}

/** CRC-32 as the gzip trailer has it. */
function crcOf(content: Uint8Array): number {
  const zipped = gzipSync(content);
  return zipped.readUInt32LE(zipped.length - 8);
}

const wrappers = [
  { name: 'gzip', file: 'a.gz', options: ['-c'] },
  { name: 'zstd', file: 'a.zst', options: ['-qc'] },
  { name: 'xz', file: 'a.xz', options: ['-c'] },
  { name: 'lz4', file: 'a.lz4', options: ['-c'] },
  { name: 'bzip2', file: 'a.bz2', options: ['-c'] },
];

describe.each(wrappers)('$name', ({ name, file, options }) => {
  const isPresent = hasProgram(name);
  const readers = name === 'bzip2' ? (['auto'] as const) : (['auto', 'builtin'] as const);

  it.skipIf(!isPresent).each(readers)('is taken off, whatever the file is called (%s)', async (decompressors) => {
    const path = folder.file(`${file}.dat`, compress(name, text, options));
    const input = await openInput(path, { decompressors });
    expect(input.compression).toEqual([name]);
    await input.close();
    expect(sameBytes(await contentOf(path, { decompressors }), text)).toBe(true);
  });

  it.skipIf(!isPresent).each(readers)('concatenated streams are one (%s)', async (decompressors) => {
    if (name === 'xz' && decompressors === 'builtin') return;
    const half = text.subarray(0, 1000);
    const part = compress(name, half, options);
    const path = folder.file(`twice-${file}`, Buffer.concat([part, part]));
    expect(sameBytes(await contentOf(path, { decompressors }), new Uint8Array(Buffer.concat([half, half])))).toBe(true);
  });

  it.skipIf(!isPresent).each(readers)(
    'a cut file is refused as truncated, wherever it is cut (%s)',
    async (decompressors) => {
      const whole = compress(name, text.subarray(0, 3000), options);
      const step = decompressors === 'builtin' || name === 'gzip' ? 3 : Math.ceil(whole.length / 8);
      for (let length = 8; length < whole.length; length += step) {
        const path = folder.file(`cut-${file}`, whole.subarray(0, length));
        const error = await contentOf(path, { decompressors }).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error, `cut at ${length} of ${whole.length}`).toBeInstanceOf(StrataError);
        expect((error as StrataError).message).toContain(path);
      }
    },
  );

  it.skipIf(!isPresent).each(readers)('a damaged file is refused with a sentence (%s)', async (decompressors) => {
    const whole = compress(name, text, options);
    whole.fill(0xa5, Math.floor(whole.length / 2), Math.floor(whole.length / 2) + 40);
    const path = folder.file(`bad-${file}`, whole);
    await expect(contentOf(path, { decompressors })).rejects.toThrow(StrataError);
  });
});

describe('an input', () => {
  it('may be wrapped several times', async () => {
    const path = folder.file('nested', gzipSync(gzipSync(text)));
    const input = await openInput(path);
    expect(input.compression).toEqual(['gzip', 'gzip']);
    await input.close();
    expect(sameBytes(await contentOf(path), text)).toBe(true);
  });

  it('without bytes is refused, compressed or not', async () => {
    await expect(openInput(folder.file('empty', ''))).rejects.toThrow(/the file is empty/);
    await expect(openInput(folder.file('empty.gz', gzipSync('')))).rejects.toThrow(/the file is empty/);
  });

  it('that is a tar archive is named as one', async () => {
    const tar = new Uint8Array(1024);
    tar.set(new TextEncoder().encode('600.perlbench.trace'));
    tar.set(new TextEncoder().encode('ustar'), 257);
    await expect(openInput(folder.file('t.tar.gz', gzipSync(tar)))).rejects.toThrow(
      /tar archive, not a trace; found an archive that begins with 600\.perlbench\.trace\. Unpack it/,
    );
  });

  it('that does not exist is refused in words', async () => {
    await expect(openInput(folder.path('nothing'))).rejects.toThrow(/nothing: no such file or directory\./);
  });

  it('needs a program for bzip2 and says which, with exit code 3', async () => {
    const path = folder.file('b.bz2', new TextEncoder().encode('BZh91AY&SY'));
    await expect(openInput(path, { decompressors: 'builtin' })).rejects.toMatchObject({
      code: 'trace.no-decompressor',
      exitCode: 3,
    });
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const path = folder.file('long', new Uint8Array(5_000_000).fill(65));
    const input = await openInput(path, { signal: stop.signal });
    stop.abort();
    await expect(
      (async () => {
        for await (const chunk of input.chunks) void chunk;
      })(),
    ).rejects.toThrow(/abort/i);
    await input.close();
  });
});

describe('a zip archive', () => {
  it('of numbered chunks is one stream in the order of the numbers', async () => {
    const path = folder.file(
      'chunks.zip',
      zipOf([
        ['chunk.0001', text.subarray(500)],
        ['chunk.0000', text.subarray(0, 500)],
      ]),
    );
    expect(sameBytes(await contentOf(path), text)).toBe(true);
  });

  it('with a chunk missing, or with files that do not belong together, is refused', async () => {
    await expect(openInput(folder.file('gap.zip', zipOf([['chunk.0001', text]])))).rejects.toThrow(
      /chunk\.0000 is missing/,
    );
    const two = zipOf([
      ['a.txt', text],
      ['b.txt', text],
    ]);
    await expect(openInput(folder.file('two.zip', two))).rejects.toThrow(/found 2 files \(a\.txt, b\.txt\)/);
  });

  it('is refused when it is cut anywhere or its content is damaged', async () => {
    const whole = zipOf([['chunk.0000', text.subarray(0, 2000)]]);
    for (let length = 4; length < whole.length; length += 7)
      await expect(contentOf(folder.file('cut.zip', whole.subarray(0, length)))).rejects.toThrow(StrataError);
    const damaged = whole.slice();
    damaged[60] = damaged[60]! ^ 0xff;
    await expect(contentOf(folder.file('bad.zip', damaged))).rejects.toThrow(StrataError);
  });
});

describe('the LZ4 decoder', () => {
  async function decoded(bytes: Uint8Array): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    async function* source() {
      for (let at = 0; at < bytes.length; at += 997) yield bytes.subarray(at, at + 997);
    }
    for await (const chunk of decodeLz4(source())) pieces.push(chunk);
    return new Uint8Array(Buffer.concat(pieces));
  }

  it.skipIf(!hasProgram('lz4')).each([
    ['linked blocks', ['-c', '-BD', '-B4']],
    ['block checksums', ['-c', '-BX']],
    ['best compression', ['-c', '-9']],
    ['no content checksum', ['-c', '--no-frame-crc']],
  ])('reads %s as the lz4 program writes them', async (_, options) => {
    const mixed = new Uint8Array(400_000).map((_, i) =>
      i % 1000 < 700 ? i % 251 : (Math.imul(i, 2654435761) >>> 13) & 255,
    );
    expect(sameBytes(await decoded(compress('lz4', mixed, options)), mixed)).toBe(true);
  });

  it('answers any bytes behind its magic with an error or output, never a hang', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (tail) => {
        await decoded(new Uint8Array([0x04, 0x22, 0x4d, 0x18, ...tail])).catch((error: Error) =>
          expect(error.message).toMatch(/LZ4|unexpected end|dictionary/),
        );
      }),
    );
  });
});

describe('xxHash32', () => {
  const hashOf = (textToHash: string) => {
    const hash = createXxHash32();
    for (const byte of new TextEncoder().encode(textToHash)) hash.update(new Uint8Array([byte]));
    return hash.digest();
  };

  it('gives the published values', () => {
    expect(hashOf('')).toBe(0x02cc5d05);
    expect(hashOf('a')).toBe(0x550d7456);
    expect(hashOf('abc')).toBe(0x32d153ff);
    expect(hashOf('Nobody inspects the spammish repetition')).toBe(0xe2293b2f);
  });
});
