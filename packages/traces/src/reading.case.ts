import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AccessBlock, createBlock } from '@strata/model/machine';
import { afterAll } from 'vitest';
import { openTrace } from './open.ts';
import type { OpenOptions, TraceReader, TraceSummary } from './reader.ts';

/** What tests compare: one access as a plain record. */
export interface PlainAccess {
  address: bigint;
  kind: number;
  size: number;
  thread: number;
  process: number;
  pc?: bigint;
  physical?: bigint;
}

export function join64(hi: number, lo: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo);
}

export async function collect(reader: TraceReader): Promise<PlainAccess[]> {
  const accesses: PlainAccess[] = [];
  for await (const block of reader.blocks())
    for (let i = 0; i < block.length; i++)
      accesses.push({
        address: join64(block.hi[i]!, block.lo[i]!),
        kind: block.kind[i]!,
        size: block.size[i]!,
        thread: reader.summary.threads[block.thread[i]!]!,
        process: reader.summary.processes[block.process[i]!]!,
        ...(block.pcLo && block.pcHi ? { pc: join64(block.pcHi[i]!, block.pcLo[i]!) } : {}),
        ...(block.physicalLo && block.physicalHi
          ? { physical: join64(block.physicalHi[i]!, block.physicalLo[i]!) }
          : {}),
      });
  return accesses;
}

export async function readAll(
  path: string,
  options: OpenOptions = {},
): Promise<{ accesses: PlainAccess[]; summary: TraceSummary }> {
  const reader = await openTrace(path, options);
  try {
    return { accesses: await collect(reader), summary: reader.summary };
  } finally {
    await reader.close();
  }
}

/** A folder of its own for the test file; gone at its end. */
export function temporaryFolder(): {
  path(name: string): string;
  file(name: string, content: Uint8Array | string): string;
} {
  const folder = mkdtempSync(join(tmpdir(), 'strata-traces-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return {
    path: (name) => join(folder, name),
    file(name, content) {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    },
  };
}

/** drmemtrace-like records: `[type, size, address]`, with 8 unused bytes in the 20-byte dialects. */
export function records(list: readonly (readonly [number, number, bigint | number])[], recordBytes = 12): Uint8Array {
  const bytes = new Uint8Array(list.length * recordBytes);
  const view = new DataView(bytes.buffer);
  list.forEach(([type, size, address], index) => {
    view.setUint16(index * recordBytes, type, true);
    view.setUint16(index * recordBytes + 2, size, true);
    view.setBigUint64(index * recordBytes + 4, BigInt(address), true);
  });
  return bytes;
}

/** A reader over accesses made by a test, in blocks of the given capacity. */
export function readerOf(accesses: readonly PlainAccess[], blockLength = 100): TraceReader {
  const threads = [...new Set(accesses.map(({ thread }) => thread))];
  const processes = [...new Set(accesses.map(({ process }) => process))];
  const hasPc = accesses.some(({ pc }) => pc !== undefined);
  const hasPhysical = accesses.some(({ physical }) => physical !== undefined);
  async function* blocks(): AsyncGenerator<AccessBlock> {
    const block = createBlock(blockLength, { pc: hasPc, physical: hasPhysical });
    for (let from = 0; from < accesses.length; from += blockLength) {
      const part = accesses.slice(from, from + blockLength);
      block.length = part.length;
      part.forEach(({ address, kind, size, thread, process, pc = 0n, physical = 0n }, i) => {
        block.lo[i] = Number(address & 0xffffffffn);
        block.hi[i] = Number(address >> 32n);
        block.kind[i] = kind;
        block.size[i] = size;
        block.thread[i] = threads.indexOf(thread);
        block.process[i] = processes.indexOf(process);
        if (block.pcLo && block.pcHi) {
          block.pcLo[i] = Number(pc & 0xffffffffn);
          block.pcHi[i] = Number(pc >> 32n);
        }
        if (block.physicalLo && block.physicalHi) {
          block.physicalLo[i] = Number(physical & 0xffffffffn);
          block.physicalHi[i] = Number(physical >> 32n);
        }
      });
      yield block;
    }
  }
  const summary: TraceSummary = {
    format: 'test',
    dialect: '',
    compression: [],
    accesses: accesses.length,
    loads: 0,
    stores: 0,
    fetches: 0,
    prefetches: 0,
    dropped: new Map(),
    threads,
    processes,
    warnings: [],
  };
  return { summary, blocks, progress: () => undefined, close: async () => undefined };
}
