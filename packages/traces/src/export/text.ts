import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { TraceReader } from '../reader.ts';
import { type WriteOptions, type WriteResult, writeStream } from './output.ts';

const bufferBytes = 262_144;
/** Longer than any line written here. */
const lineBytes = 256;
const hexDigits = new TextEncoder().encode('0123456789abcdef');

/** Text appended byte by byte. */
class LineBuffer {
  readonly bytes = new Uint8Array(bufferBytes);
  length = 0;

  get isFull(): boolean {
    return this.length > bufferBytes - lineBytes;
  }

  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i);
  }

  hex(lo: number, hi: number): void {
    let started = false;
    for (let shift = 60; shift >= 0; shift -= 4) {
      const digit = shift >= 32 ? (hi >>> (shift - 32)) & 15 : (lo >>> shift) & 15;
      if (!started && digit === 0 && shift > 0) continue;
      started = true;
      this.bytes[this.length++] = hexDigits[digit]!;
    }
  }

  take(): Uint8Array {
    const taken = this.bytes.slice(0, this.length);
    this.length = 0;
    return taken;
  }
}

/** Writes one line for an access, or names why it has none. */
type WriteLine = (out: LineBuffer, block: AccessBlock, at: number) => string | undefined;

async function writeLines(
  path: string,
  reader: TraceReader,
  { signal }: WriteOptions,
  header: (out: LineBuffer, block: AccessBlock) => void,
  line: WriteLine,
): Promise<WriteResult> {
  const dropped = new Map<string, number>();
  let accesses = 0;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const out = new LineBuffer();
    let isFirst = true;
    for await (const block of reader.blocks()) {
      signal?.throwIfAborted();
      if (isFirst) header(out, block);
      isFirst = false;
      for (let at = 0; at < block.length; at++) {
        const reason = line(out, block, at);
        if (reason === undefined) accesses++;
        else dropped.set(reason, (dropped.get(reason) ?? 0) + 1);
        if (out.isFull) yield out.take();
      }
    }
    if (out.length > 0) yield out.take();
  }
  await writeStream(path, chunks());
  return { accesses, dropped };
}

const kindNames = ['load', 'store', 'fetch', 'prefetch'];

/**
 * Writes `addr,kind,size,thread,process` and, where the reader delivers them, `pc` and `physical`; addresses hexadecimal with `0x`, thread
 * and process as recorded. Compressed as the name says.
 * @throws StrataError `output.unwritable`, and what reading throws
 */
export function writeCsv(path: string, reader: TraceReader, options: WriteOptions = {}): Promise<WriteResult> {
  const { summary } = reader;
  return writeLines(
    path,
    reader,
    options,
    (out, block) =>
      out.text(`addr,kind,size,thread,process${block.pcLo ? ',pc' : ''}${block.physicalLo ? ',physical' : ''}\n`),
    (out, block, at) => {
      const name = kindNames[block.kind[at]!];
      if (name === undefined) return 'event';
      out.text('0x');
      out.hex(block.lo[at]!, block.hi[at]!);
      const thread = summary.threads[block.thread[at]!] ?? block.thread[at]!;
      const process = summary.processes[block.process[at]!] ?? block.process[at]!;
      out.text(`,${name},${block.size[at]},${thread},${process}`);
      for (const [lo, hi] of [
        [block.pcLo, block.pcHi],
        [block.physicalLo, block.physicalHi],
      ]) {
        if (lo === undefined || hi === undefined) continue;
        out.text(',0x');
        out.hex(lo[at]!, hi[at]!);
      }
      out.text('\n');
      return undefined;
    },
  );
}

export interface DinOptions extends WriteOptions {
  /** Dinero IV's extended form, with the size of each access. Default false: the classic form. */
  readonly extended?: boolean;
}

/**
 * Writes Dinero's din: `0 7fff5a8c`, or extended `r 7fff5a8c 8`. Prefetches have no label and are dropped.
 * @throws StrataError `output.unwritable`, and what reading throws
 */
export function writeDin(path: string, reader: TraceReader, options: DinOptions = {}): Promise<WriteResult> {
  const labels = options.extended === true ? ['r ', 'w ', 'i '] : ['0 ', '1 ', '2 '];
  return writeLines(
    path,
    reader,
    options,
    () => undefined,
    (out, block, at) => {
      const kind = block.kind[at]!;
      const label = labels[kind];
      if (label === undefined) return kind === AccessKind.prefetch ? 'prefetch' : 'event';
      out.text(label);
      out.hex(block.lo[at]!, block.hi[at]!);
      if (options.extended === true) {
        out.text(' ');
        out.hex(block.size[at]!, 0);
      }
      out.text('\n');
      return undefined;
    },
  );
}
