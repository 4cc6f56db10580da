import { StrataError } from '@strata/model/machine';
import type { ExitTally } from './recording.ts';

/** Where a value lies in the records of an event. */
interface EventField {
  readonly offset: number;
  readonly size: number;
}

interface EventFormat {
  readonly name: string;
  readonly fields: ReadonlyMap<string, EventField>;
  /** The number lists of the print format, in order: for kvm_exit VMX, then SVM. */
  readonly symbols: readonly ReadonlyMap<number, string>[];
}

export type EventFormats = ReadonlyMap<number, EventFormat>;

/**
 * The content of one or several `events/<system>/<event>/format` files, one after the other.
 * @throws StrataError `nest.event-formats` when kvm_exit is not described
 */
export function parseEventFormats(text: string, where: string): EventFormats {
  const formats = new Map<number, EventFormat>();
  for (const block of text.split(/^name: /m).slice(1)) {
    const id = /^ID: (\d+)/m.exec(block);
    const name = /^\S+/.exec(block);
    if (id === null || name === null) continue;
    const fields = new Map<string, EventField>();
    for (const field of block.matchAll(/field:[^;]*?(\w+)(?:\[[^\]]*\])?;\s*offset:(\d+);\s*size:(\d+);/g))
      fields.set(field[1]!, { offset: Number(field[2]), size: Number(field[3]) });
    formats.set(Number(id[1]), { name: name[0], fields, symbols: symbolsOf(block) });
  }
  if (![...formats.values()].some(({ name }) => name === 'kvm_exit'))
    throw new StrataError({
      code: 'nest.event-formats',
      what: 'the format of the event kvm_exit is missing',
      where,
      expected: 'the text of /sys/kernel/tracing/events/kvm/*/format of the machine that recorded',
      mend: 'Collect it with `cat /sys/kernel/tracing/events/kvm*/*/format > formats.txt`.',
    });
  return formats;
}

function symbolsOf(block: string): Map<number, string>[] {
  return [...block.matchAll(/__print_symbolic\(([^,]*),((?:\s*\{[^}]*\},?)*)/g)].map((list) => {
    const symbols = new Map<number, string>();
    for (const pair of list[2]!.matchAll(/\{\s*(0x[0-9a-f]+|\d+),\s*((?:"[^"]*"\s*)+)\}/gi))
      symbols.set(Number(pair[1]), pair[2]!.replace(/"\s*"|"/g, '').trim());
    return symbols;
  });
}

const pageBytes = 4_096;
const headerBytes = 16;
const padding = 29;
const timeExtend = 30;
const timeStamp = 31;

/** Reads `per_cpu/cpuN/trace_pipe_raw`: 4 KiB pages of records with 27-bit time deltas. */
export interface RingBufferReader {
  push(chunk: Uint8Array): void;
  /** @throws StrataError `nest.ring-buffer` when the end is no page boundary */
  end(): { readonly events: number };
}

/** @param where names the file in messages */
export function createRingBufferReader(tally: ExitTally, formats: EventFormats, where: string): RingBufferReader {
  let carry = Buffer.alloc(0);
  let pages = 0;
  let events = 0;

  function page(bytes: Buffer, start: number): void {
    let time = bytes.readUInt32LE(start) + bytes.readUInt32LE(start + 4) * 2 ** 32;
    const commit = bytes.readUInt32LE(start + 8);
    const length = commit & 0xfffff;
    if (length > pageBytes - headerBytes)
      throw damaged(`a page of at most ${pageBytes - headerBytes} bytes`, `${length} bytes`);
    const end = start + headerBytes + length;
    // Bit 31: events were overwritten before this page; bit 30: how many is stored behind the data.
    if (commit & 0x80000000)
      tally.lose(commit & 0x40000000 && end + 4 <= start + pageBytes ? bytes.readUInt32LE(end) : 1);
    let at = start + headerBytes;
    while (at + 4 <= end) {
      const head = bytes.readUInt32LE(at);
      const type = head & 31;
      const delta = head >>> 5;
      if (type === padding) {
        if (delta === 0 || at + 8 > end) break;
        at += 4 + bytes.readUInt32LE(at + 4);
        continue;
      }
      if (type === timeExtend || type === timeStamp) {
        if (at + 8 > end) break;
        const wide = delta + bytes.readUInt32LE(at + 4) * 2 ** 27;
        time = type === timeExtend ? time + wide : Math.floor(time / 2 ** 59) * 2 ** 59 + wide;
        at += 8;
        continue;
      }
      time += delta;
      const data = type === 0 ? at + 8 : at + 4;
      const bytesOfRecord = type === 0 ? (at + 8 <= end ? bytes.readUInt32LE(at + 4) - 4 : -1) : type * 4;
      if (bytesOfRecord < 8 || data + bytesOfRecord > end)
        throw damaged('a record within its page', `record of ${bytesOfRecord} bytes at byte ${at - start}`);
      record(bytes, data, bytesOfRecord, time / 1_000);
      at = data + bytesOfRecord;
    }
    pages++;
  }

  function record(bytes: Buffer, data: number, length: number, timeUs: number): void {
    events++;
    tally.event(timeUs);
    const format = formats.get(bytes.readUInt16LE(data));
    if (format === undefined) return;
    const thread = bytes.readInt32LE(data + 4);
    const value = (name: string): number => {
      const field = format.fields.get(name);
      if (field === undefined || field.offset + field.size > length) return 0;
      if (field.size === 8)
        return bytes.readUInt32LE(data + field.offset) + bytes.readUInt32LE(data + field.offset + 4) * 2 ** 32;
      if (field.size === 4) return bytes.readUInt32LE(data + field.offset);
      return field.size === 2 ? bytes.readUInt16LE(data + field.offset) : bytes.readUInt8(data + field.offset);
    };
    switch (format.name) {
      case 'kvm_exit': {
        const code = value('exit_reason');
        const symbols = value('isa') === 2 ? format.symbols[1] : format.symbols[0];
        tally.exit(
          thread,
          timeUs,
          (value('isa') === 2 ? symbols?.get(code) : symbols?.get(code & 0xffff)) ?? `0x${code.toString(16)}`,
        );
        break;
      }
      case 'kvm_entry':
        tally.entry(thread, timeUs);
        break;
      case 'kvm_msr':
        tally.msr(thread, value('write') !== 0, value('ecx'));
        break;
      case 'kvm_mmio':
      case 'kvm_fast_mmio':
      case 'handle_mmio_page_fault':
        tally.mmio(thread);
        break;
      case 'kvm_userspace_exit': {
        const reason = value('reason');
        if (value('errno') < 0x80000000 && (reason === 2 || reason === 6)) tally.userIo(thread);
        break;
      }
      case 'kvm_nested_vmexit':
        tally.nestedExit(thread);
        break;
      case 'kvm_nested_vmexit_inject':
        tally.nestedInject(thread);
        break;
      case 'kvm_inj_virq':
        tally.interrupt();
        break;
    }
  }

  function damaged(expected: string, found: string): StrataError {
    return new StrataError({
      code: 'nest.ring-buffer',
      what: 'this is no ring-buffer page',
      where: `${where}, byte ${pages * pageBytes}`,
      expected,
      found,
      mend: 'Give a file copied from per_cpu/cpuN/trace_pipe_raw, or one of the text formats.',
    });
  }

  return {
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let start = 0;
      if (carry.length > 0) {
        start = Math.min(bytes.length, pageBytes - carry.length);
        carry = Buffer.concat([carry, bytes.subarray(0, start)]);
        if (carry.length < pageBytes) return;
        page(carry, 0);
        carry = Buffer.alloc(0);
      }
      for (; start + pageBytes <= bytes.length; start += pageBytes) page(bytes, start);
      carry = Buffer.from(bytes.subarray(start));
    },
    end() {
      if (carry.length > 0) throw damaged('whole pages of 4,096 bytes', `${carry.length} bytes left over`);
      return { events };
    },
  };
}
