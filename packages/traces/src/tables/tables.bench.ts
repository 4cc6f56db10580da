// Import of DMT dumps: rows per second against counting the line breaks of the same bytes, and memory per row of the table that comes out.
import { dmtDump } from './dmt-dump.ts';

const isSmoke = process.env.STRATA_BENCH_SMOKE === '1';
const rows = isSmoke ? 200_000 : 4_194_304;
const rowsPerChunk = 8192;

/** A dense table as of one large array: data frames shuffled by a multiplicative step, tables one after the other. */
function* dumpChunks(): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  const firstPage = 0x7f92c0000;
  yield encoder.encode(`${String(rows).padStart(16, '0')}\n`);
  for (let first = 0; first < rows; first += rowsPerChunk) {
    let text = '';
    for (let row = first; row < Math.min(rows, first + rowsPerChunk); row++) {
      const middle = (0x20004 + (row >>> 18)).toString(16);
      const last = (0x20100 + (row >>> 9)).toString(16);
      const frame = (0x107000 + ((row * 5) % (rows * 8))).toString(16);
      text += `0000${(firstPage + row).toString(16)}000,20000000,20001000,${middle}000,${last}000,${frame}000\n`;
    }
    yield encoder.encode(text);
  }
}

async function* from(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

function countLines(chunks: readonly Uint8Array[]): number {
  let lines = 0;
  for (const chunk of chunks) for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
  return lines;
}

// The generator's own strings and buffers are not the importer's memory: let it grow the heap first.
for (const chunk of dumpChunks()) if (chunk.length === 0) throw new Error('no rows');
const before = residentBytes();
const loaded = await dmtDump.read({ path: 'dump', head: [...dumpHead()][0]!, chunks: from(dumpChunks()) }, {});
const bytesPerRow = (residentBytes() - before) / rows;

function* dumpHead(): Generator<Uint8Array> {
  const chunks = dumpChunks();
  const [header, first] = [chunks.next().value as Uint8Array, chunks.next().value as Uint8Array];
  yield new Uint8Array([...header, ...first.subarray(0, 65_536)]);
}

const sample: Uint8Array[] = [];
for (const chunk of dumpChunks()) {
  sample.push(chunk);
  if (sample.length > 128) break;
}
const sampleRows = countLines(sample) - 1;
const header = new TextEncoder().encode(`${sampleRows}\n`);
const pieces = [header, ...sample.slice(1)];
const startLines = performance.now();
countLines(pieces);
const lineSeconds = (performance.now() - startLines) / 1000;
const startRead = performance.now();
await dmtDump.read({ path: 'dump', head: [...dumpHead()][0]!, chunks: from(pieces) }, {});
const readSeconds = (performance.now() - startRead) / 1000;

console.log(`DMT dump import   ${(sampleRows / readSeconds / 1e6).toFixed(2)} M rows/s`);
console.log(
  `  counting lines  ${(sampleRows / lineSeconds / 1e6).toFixed(2)} M rows/s; import takes ${(readSeconds / lineSeconds).toFixed(1)} times as long`,
);
console.log(
  `  resident memory ${bytesPerRow.toFixed(1)} bytes per row (${loaded.rows} rows, stream and parser included)`,
);
