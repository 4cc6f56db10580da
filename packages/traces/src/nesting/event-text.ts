import type { ExitTally } from './recording.ts';

/** Reads the event lines of perf script, trace-cmd report and ftrace: `comm-pid [cpu] flags seconds: event: payload` and its relatives. */
export interface EventTextReader {
  push(chunk: Uint8Array): void;
  /** The last line may lack its end. */
  end(): {
    readonly lines: number;
    readonly skipped: number;
    /** Losses reported without a number: counted as one event each. */
    readonly unknownLosses: number;
  };
}

/** A longer line is damage: it is skipped, and memory stays bounded. */
const longestLine = 65_536;
/** Beyond, microseconds are no longer exact: such a stamp is damage. */
const longestSeconds = Number.MAX_SAFE_INTEGER / 1e6;

const newline = 10;
const space = 32;
const colon = 58;
const zero = 48;
const nine = 57;
const dot = 46;
const slash = 47;
const openBracket = 91;
const closeBracket = 93;

/** The events that say something about exits, found by their length and then byte by byte. */
const relevant = [
  'kvm_exit',
  'kvm_entry',
  'kvm_msr',
  'kvm_mmio',
  'kvm_fast_mmio',
  'handle_mmio_page_fault',
  'kvm_userspace_exit',
  'kvm_nested_vmexit',
  'kvm_nested_vmexit_inject',
  'kvm_inj_virq',
  'kvm_apic',
].map((name, code) => ({ code, bytes: Buffer.from(name) }));
const longestName = Math.max(...relevant.map(({ bytes }) => bytes.length));
const byLength = Array.from({ length: longestName + 1 }, (_, length) =>
  relevant.filter(({ bytes }) => bytes.length === length),
);
const fractionScale = [1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1, 1e-1, 1e-2, 1e-3];

function codeOf(bytes: Uint8Array, from: number, to: number): number {
  const candidates = byLength[to - from];
  if (candidates === undefined) return -1;
  for (let index = 0; index < candidates.length; index++) {
    const candidate = candidates[index]!;
    if (isAt(bytes, from, candidate.bytes)) return candidate.code;
  }
  return -1;
}

function isAt(bytes: Uint8Array, from: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}

export function createEventTextReader(tally: ExitTally): EventTextReader {
  const reasons = createReasonCache();
  let carry = Buffer.alloc(0);
  let overlong = false;
  let lines = 0;
  let skipped = 0;
  let unknownLosses = 0;

  function line(bytes: Buffer, start: number, end: number): void {
    lines++;
    if (!eventLine(bytes, start, bytes[end - 1] === 13 ? end - 1 : end)) skipped += dressing(bytes, start, end) ? 0 : 1;
  }

  /** False when the line is no event. */
  function eventLine(bytes: Buffer, start: number, end: number): boolean {
    // The time stamp: digits with a point before the first such ": ".
    let at = start;
    let stampEnd = -1;
    let stampStart = 0;
    for (; at < end - 1; at++) {
      if (bytes[at] !== colon || bytes[at + 1] !== space) continue;
      stampStart = at;
      let points = 0;
      while (stampStart > start) {
        const byte = bytes[stampStart - 1]!;
        if (byte === dot) points++;
        else if (byte < zero || byte > nine) break;
        stampStart--;
      }
      if (points === 1 && stampStart > start && bytes[stampStart - 1] === space && stampStart < at) {
        stampEnd = at;
        break;
      }
    }
    if (stampEnd < 0) return false;
    let seconds = 0;
    let fraction = 0;
    let digits = -1;
    for (let index = stampStart; index < stampEnd; index++) {
      const byte = bytes[index]!;
      if (byte === dot) digits = 0;
      else if (digits < 0) seconds = seconds * 10 + byte - zero;
      else if (digits < 9) {
        fraction = fraction * 10 + byte - zero;
        digits++;
      }
    }
    if (seconds > longestSeconds) return false;
    const timeUs = seconds * 1e6 + fraction * fractionScale[digits]!;
    // The event: perf script puts a period and the system before it.
    let from = stampEnd + 2;
    while (from < end && bytes[from] === space) from++;
    if (bytes[from]! >= zero && bytes[from]! <= nine) {
      while (from < end && bytes[from] !== space) from++;
      while (from < end && bytes[from] === space) from++;
    }
    let to = from;
    while (to < end && bytes[to] !== colon && bytes[to] !== space) to++;
    if (to >= end || bytes[to] !== colon || to === from) return false;
    if (to + 1 < end && bytes[to + 1] !== space) {
      from = to + 1;
      to = from;
      while (to < end && bytes[to] !== colon && bytes[to] !== space) to++;
    }
    tally.event(timeUs);
    const code = codeOf(bytes, from, to);
    if (code < 0) return true;
    const thread = threadOf(bytes, start, stampStart);
    deliver(code, thread, timeUs, bytes, Math.min(end, to + 1), end);
    return true;
  }

  function deliver(code: number, thread: number, timeUs: number, bytes: Buffer, from: number, end: number): void {
    switch (code) {
      case 0: {
        const reason = reasons.at(bytes, from, end);
        if (reason === '') skipped++;
        else tally.exit(thread, timeUs, reason);
        break;
      }
      case 1:
        tally.entry(thread, timeUs);
        break;
      case 2: {
        const access = /msr_(read|write) ([0-9a-f]+)/.exec(bytes.toString('latin1', from, end));
        if (access !== null) tally.msr(thread, access[1] === 'write', Number.parseInt(access[2]!, 16));
        break;
      }
      case 3:
      case 4:
      case 5:
        tally.mmio(thread);
        break;
      case 6:
        if (/KVM_EXIT_(IO|MMIO)\b/.test(bytes.toString('latin1', from, end))) tally.userIo(thread);
        break;
      case 7:
        tally.nestedExit(thread);
        break;
      case 8:
        tally.nestedInject(thread);
        break;
      case 10: {
        const access = /apic_write (APIC_\w+)/.exec(bytes.toString('latin1', from, end));
        if (access !== null) tally.apic(thread, access[1]!);
        break;
      }
      default:
        tally.interrupt();
    }
  }

  function dressing(bytes: Buffer, start: number, end: number): boolean {
    if (start >= end) return true;
    const text = bytes.toString('latin1', start, Math.min(end, start + 160));
    const losses = lossesOf(text);
    if (losses === 'unknown') unknownLosses++;
    if (losses !== undefined) tally.lose(losses === 'unknown' ? 1 : losses);
    const header = /^#.*entries-in-buffer\/entries-written: (\d{1,15})\/(\d{1,15})\b/.exec(text);
    if (header !== null) tally.lose(Math.max(0, Number(header[2]) - Number(header[1])));
    return losses !== undefined || /^\s*$|^#|^cpus=|^version = |^TRACE_(BEGIN|END)|^CPU \d+ is empty/.test(text);
  }

  return {
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let start = 0;
      if (carry.length > 0 || overlong) {
        const end = bytes.indexOf(newline);
        if (end < 0) {
          keep(bytes, 0);
          return;
        }
        if (overlong) {
          lines++;
          skipped++;
          overlong = false;
        } else {
          const whole = Buffer.concat([carry, bytes.subarray(0, end)]);
          line(whole, 0, whole.length);
        }
        carry = Buffer.alloc(0);
        start = end + 1;
      }
      for (let end = bytes.indexOf(newline, start); end >= 0; end = bytes.indexOf(newline, start)) {
        line(bytes, start, end);
        start = end + 1;
      }
      keep(bytes, start);
    },
    end() {
      if (overlong) {
        lines++;
        skipped++;
      } else if (carry.length > 0) line(carry, 0, carry.length);
      return { lines, skipped, unknownLosses };
    },
  };

  function keep(bytes: Buffer, start: number): void {
    if (overlong || carry.length + bytes.length - start > longestLine) {
      overlong = true;
      carry = Buffer.alloc(0);
    } else carry = Buffer.concat([carry, bytes.subarray(start)]);
  }
}

/** `[LOST 31 EVENTS]` of the kernel, `[12 EVENTS DROPPED]` of trace-cmd, both also without the number, and perf's records of losses. */
function lossesOf(text: string): number | 'unknown' | undefined {
  const known =
    /LOST\s+(\d{1,15})\s+EVENTS|\b(\d{1,15})\s+EVENTS\s+(?:DROPPED|LOST)|PERF_RECORD_LOST\D*(\d{1,15})/i.exec(text);
  if (known !== null) return Number(known[1] ?? known[2] ?? known[3]);
  return /\[\s*(?:LOST\s+EVENTS|EVENTS\s+(?:DROPPED|LOST))\s*\]/i.test(text) ? 'unknown' : undefined;
}

/**
 * The number before `[cpu]`: `comm-pid`, `comm pid`, `comm pid/tid`, with a thread group in parentheses between or not. Where perf script
 * prints no CPU, the number before the time; flags of ftrace may end in a digit, but hold others too.
 */
function threadOf(bytes: Buffer, start: number, stampStart: number): number {
  let at = stampStart - 1;
  while (at > start && bytes[at] === space) at--;
  if (isDigit(bytes[at]!)) {
    const digits = startOfNumber(bytes, start, at);
    if (digits > start && (bytes[digits - 1] === space || bytes[digits - 1] === slash))
      return numberAt(bytes, digits, at);
  }
  while (at > start && bytes[at] !== closeBracket) at--;
  while (at > start && bytes[at] !== openBracket) at--;
  at--;
  while (at > start && bytes[at] === space) at--;
  if (bytes[at] === 41) {
    while (at > start && bytes[at] !== 40) at--;
    at--;
    while (at > start && bytes[at] === space) at--;
  }
  let thread = 0;
  for (let factor = 1; at >= start && isDigit(bytes[at]!); at--, factor *= 10) thread += (bytes[at]! - zero) * factor;
  return thread;
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte <= nine;
}

/** Where the digits begin that end at `last`; `last + 1` when there are none. */
function startOfNumber(bytes: Buffer, start: number, last: number): number {
  let at = last;
  while (at >= start && bytes[at]! >= zero && bytes[at]! <= nine) at--;
  return at + 1;
}

function numberAt(bytes: Buffer, first: number, last: number): number {
  let number = 0;
  for (let at = first; at <= last; at++) number = number * 10 + bytes[at]! - zero;
  return number;
}

/** Real traces have a few dozen; damage must not fill the memory. */
const mostReasons = 4_096;
const reasonWord = Buffer.from('reason ');
const ripWord = Buffer.from(' rip');

/** Reasons are few: each is made a string once, and found again by a hash of its bytes. */
function createReasonCache() {
  const known = new Map<number, { readonly bytes: Uint8Array; readonly reason: string }>();
  return {
    at(bytes: Buffer, from: number, end: number): string {
      let start = from;
      while (start < end && !(bytes[start] === reasonWord[0] && isAt(bytes, start, reasonWord))) start++;
      if (start >= end) return reasonOf(bytes.toString('latin1', from, end));
      start += reasonWord.length;
      let to = start;
      let hash = 0;
      while (to < end && !(bytes[to] === space && isAt(bytes, to, ripWord))) hash = (hash * 31 + bytes[to++]!) | 0;
      if (to >= end) return reasonOf(bytes.toString('latin1', from, end));
      const found = known.get(hash);
      if (found !== undefined && found.bytes.length === to - start && isAt(bytes, start, found.bytes))
        return found.reason;
      const reason = bytes.toString('latin1', start, to).trim();
      if (known.size < mostReasons) known.set(hash, { bytes: Uint8Array.from(bytes.subarray(start, to)), reason });
      return reason;
    },
  };
}

/** The reason of any variant of kvm_exit: x86's `reason R rip`, Arm's `TRAP: HSR_EC: 0x0024 (R)`. Empty where there is none. */
export function reasonOf(payload: string): string {
  const at = payload.indexOf('reason ');
  if (at >= 0) {
    const rip = payload.indexOf(' rip', at);
    return (rip < 0 ? payload.slice(at + 7).split(' ', 1)[0]! : payload.slice(at + 7, rip)).trim();
  }
  const trap = /^\s*(\w+): HSR_EC: 0x[0-9a-f]+ \(([^)]*)\)/.exec(payload);
  if (trap === null) return '';
  return trap[1] === 'TRAP' ? trap[2]! : trap[1]!;
}
