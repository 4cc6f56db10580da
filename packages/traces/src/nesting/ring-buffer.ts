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
  /** The number lists of the print format, in order: for kvm_exit VMX, then SVM; on Arm exception types, then classes. */
  readonly symbols: readonly ReadonlyMap<number, string>[];
}

/** Where kvm_exit of Arm says what happened: the type (IRQ, SERROR, TRAP) and for traps the class. Older kernels have other names. */
const armLayouts = [
  { type: 'ret', exceptionClass: 'esr_ec' },
  { type: 'idx', exceptionClass: 'exit_reason' },
] as const;

type ArmLayout = (typeof armLayouts)[number];

function armLayoutOf({ fields }: EventFormat): ArmLayout | undefined {
  return armLayouts.find(({ type, exceptionClass }) => fields.has(type) && fields.has(exceptionClass));
}

export type EventFormats = ReadonlyMap<number, EventFormat>;

/**
 * The content of one or several `events/<system>/<event>/format` files, one after the other.
 * @throws StrataError `nest.event-formats` when kvm_exit is not described, or not as on x86 or arm64
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
  const exits = [...formats.values()].filter(({ name }) => name === 'kvm_exit');
  const unknown = exits.find((format) => armLayoutOf(format) === undefined && !format.fields.has('exit_reason'));
  if (unknown !== undefined)
    throw new StrataError({
      code: 'nest.event-formats',
      what: 'the format of kvm_exit does not say why the guest left',
      where,
      expected: 'the field exit_reason (x86), or ret and esr_ec (arm64)',
      found: [...unknown.fields.keys()].filter((field) => !field.startsWith('common_')).join(', ') || 'no fields',
      mend: 'Record with perf script, trace-cmd report or ftrace as text instead.',
    });
  if (exits.length === 0)
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
    for (const pair of list[2]!.matchAll(/\{[\s(]*(0x[0-9a-f]+|\d+)[ul]*[\s)]*,\s*((?:"[^"]*"\s*)+)\}/gi))
      symbols.set(Number(pair[1]), pair[2]!.replace(/"\s*"|"/g, '').trim());
    return symbols;
  });
}

const pageBytes = 4_096;
const headerBytes = 16;
const padding = 29;
const timeExtend = 30;
const timeStamp = 31;

/** Reads `per_cpu/cpuN/trace_pipe_raw`: 4 KiB pages of records with 27-bit time deltas. Damaged pages are left out, the others count. */
export interface RingBufferReader {
  push(chunk: Uint8Array): void;
  /** @throws StrataError `nest.ring-buffer` when no page can be read */
  end(): RingBufferSummary;
}

export interface RingBufferSummary {
  readonly events: number;
  readonly pages: number;
  /** Pages left out: damaged, or cut off at the end of the file. */
  readonly skippedPages: number;
  /** Losses of which the kernel did not store the number: counted as one event each. */
  readonly unknownLosses: number;
}

interface Damage {
  readonly expected: string;
  readonly found: string;
}

/** @param where names the file in messages */
export function createRingBufferReader(tally: ExitTally, formats: EventFormats, where: string): RingBufferReader {
  const armLayoutById = new Map([...formats].map(([id, format]) => [id, armLayoutOf(format)]));
  let carry = Buffer.alloc(0);
  let pages = 0;
  let skippedPages = 0;
  let unknownLosses = 0;
  let events = 0;
  let firstDamage: StrataError | undefined;

  function page(bytes: Buffer, start: number): void {
    // Walked once before anything is counted: half of a damaged page would be worse than none.
    const damage = walk(bytes, start, false);
    if (damage === undefined) walk(bytes, start, true);
    else skip(damage);
    pages++;
  }

  function skip({ expected, found }: Damage): void {
    skippedPages++;
    firstDamage ??= new StrataError({
      code: 'nest.ring-buffer',
      what: 'this is no ring-buffer page',
      where: `${where}, byte ${pages * pageBytes}`,
      expected,
      found,
      mend: 'Give a file copied from per_cpu/cpuN/trace_pipe_raw, or one of the text formats.',
    });
  }

  function walk(bytes: Buffer, start: number, deliver: boolean): Damage | undefined {
    let time = bytes.readUInt32LE(start) + bytes.readUInt32LE(start + 4) * 2 ** 32;
    const commit = bytes.readUInt32LE(start + 8);
    const length = commit & 0xfffff;
    if (length > pageBytes - headerBytes)
      return { expected: `a page of at most ${pageBytes - headerBytes} bytes`, found: `${length} bytes` };
    const end = start + headerBytes + length;
    if (deliver) lose(bytes, commit, start, end);
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
        return {
          expected: 'a record within its page',
          found: `record of ${bytesOfRecord} bytes at byte ${at - start}`,
        };
      if (deliver) record(bytes, data, bytesOfRecord, time / 1_000);
      at = data + bytesOfRecord;
    }
    return undefined;
  }

  /** Bit 31: events were overwritten before this page; bit 30: how many is stored behind the data. */
  function lose(bytes: Buffer, commit: number, start: number, end: number): void {
    if (!(commit & 0x80000000)) return;
    const known = commit & 0x40000000 && end + 4 <= start + pageBytes ? bytes.readUInt32LE(end) : 0;
    if (known === 0) unknownLosses++;
    tally.lose(Math.max(1, known));
  }

  function record(bytes: Buffer, data: number, length: number, timeUs: number): void {
    events++;
    tally.event(timeUs);
    const id = bytes.readUInt16LE(data);
    const format = formats.get(id);
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
        const arm = armLayoutById.get(id);
        tally.exit(
          thread,
          timeUs,
          arm === undefined
            ? x86Reason(format, value('exit_reason'), value('isa'))
            : armReason(format, value(arm.type), value(arm.exceptionClass)),
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
      if (carry.length > 0) lastPage(carry);
      if (firstDamage !== undefined && skippedPages === pages) throw firstDamage;
      return { events, pages, skippedPages, unknownLosses };
    },
  };

  /** Of a copy that was interrupted: whole when only the unused rest of the page is missing. */
  function lastPage(bytes: Buffer): void {
    const length = bytes.length >= headerBytes ? bytes.readUInt32LE(8) & 0xfffff : pageBytes;
    if (headerBytes + length <= bytes.length) page(Buffer.concat([bytes], pageBytes), 0);
    else {
      skip({ expected: 'whole pages of 4,096 bytes', found: `${bytes.length} bytes left over` });
      pages++;
    }
  }
}

const hex = (code: number) => `0x${code.toString(16)}`;

function x86Reason({ symbols }: EventFormat, code: number, isa: number): string {
  return (isa === 2 ? symbols[1]?.get(code) : symbols[0]?.get(code & 0xffff)) ?? hex(code);
}

/** As event texts print it: the exception class of a trap, else the type. Bit 31 of the type marks an SError beside it. */
function armReason({ symbols }: EventFormat, type: number, exceptionClass: number): string {
  const code = type & 0x7fffffff;
  const name = symbols[0]?.get(code) ?? armTypes[code] ?? hex(code);
  return name === 'TRAP' ? (symbols[1]?.get(exceptionClass) ?? hex(exceptionClass)) : name;
}

const armTypes = ['IRQ', 'SERROR', 'TRAP'];
