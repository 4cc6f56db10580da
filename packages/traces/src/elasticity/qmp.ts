import { StrataError } from '@strata/model/machine';
import { createDemandBuilder } from './demand-builder.ts';
import type { MemoryLogReader } from './memory-logs.ts';
import { timeOf } from './times.ts';

const mib = 1_048_576;

/** QEMU's sign for a statistic that the guest never reported: 2^64 - 1, which a JSON number cannot hold exactly. */
const neverReported = 2 ** 63;

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

const isStatistics = (document: string): boolean =>
  document.includes('"stats"') || document.includes('"available_memory"');

/** Lines of one document that is printed over several, as `--pretty` does. */
const longestDocument = 1_000;

export interface QmpOptions {
  readonly totalMib?: number;
  /** Between two replies of Firecracker, which hold no time, where no line says when. */
  readonly everySeconds: number;
}

/**
 * Reads a QMP transcript: samples are the balloon's `guest-stats`. Or replies of Firecracker's balloon (specs/elasticity.md 6.5), one document
 * each, with a time before it or at even distances.
 */
export function createQmpReader(path: string, { totalMib, everySeconds }: QmpOptions): MemoryLogReader {
  const builder = createDemandBuilder();
  const notes: string[] = [];
  let last = -1;
  let unreported = 0;
  /** Of the line of time that stood last, until a reply takes it. */
  let time = Number.NaN;
  /** The lines of a document that has begun and is not yet whole. */
  let begun: string[] = [];
  let depth = 0;

  function notJson(number: number, found: string): StrataError {
    return new StrataError({
      code: 'elastic.bad-demand',
      what: 'not JSON',
      where: `${path}, line ${number}`,
      expected: 'replies and events of QMP, each a whole JSON document',
      found: JSON.stringify(found.slice(0, 80)),
    });
  }

  /** A document that was begun and not ended. */
  function drop(number: number): void {
    const document = begun.join('\n');
    begun = [];
    depth = 0;
    if (isStatistics(document)) throw notJson(number, document);
  }

  function add(reply: unknown, number: number): void {
    if (member(reply, 'available_memory') !== undefined) {
      addFirecracker(reply, number);
      return;
    }
    const answer = member(reply, 'return') ?? member(reply, 'v') ?? reply;
    const stats = member(answer, 'stats');
    if (stats === undefined) return;
    const seconds = Number(member(answer, 'last-update'));
    const total = Number(member(stats, 'stat-total-memory'));
    const free = Number(member(stats, 'stat-free-memory'));
    if (!(total < neverReported && free >= 0 && free < neverReported) || !(seconds > 0)) {
      unreported++;
      return;
    }
    // Polling faster than the guest reports repeats the same statistics.
    if (seconds === last) return;
    last = seconds;
    builder.add(
      {
        seconds,
        usedMib: (total - free) / mib,
        usedHugeMib: Number.NaN,
        residentMib: Number.NaN,
        totalMib: total / mib,
      },
      `${path}, line ${number}`,
    );
  }

  function addFirecracker(reply: unknown, number: number): void {
    const [total, free] = ['total_memory', 'free_memory'].map((key) => Number(member(reply, key)));
    if (!(total! >= 0 && free! >= 0 && free! <= total!)) {
      unreported++;
      return;
    }
    const seconds = Number.isNaN(time) ? builder.length * everySeconds : time;
    time = Number.NaN;
    builder.add(
      {
        seconds,
        usedMib: (total! - free!) / mib,
        usedHugeMib: Number.NaN,
        residentMib: Number.NaN,
        totalMib: total! / mib,
      },
      `${path}, line ${number}`,
    );
  }

  return {
    line(text, number, isCutOff = false) {
      const stamp = begun.length === 0 ? timeOf(text) : Number.NaN;
      if (!Number.isNaN(stamp)) {
        time = stamp;
        return;
      }
      // A transcript may hold the client's side (`-> `, `<- `) as well. What is not indented begins a document.
      const begins = /^(?:->|<-|>|<)?\s*\{/.exec(text);
      if (begins !== null && !/^\s/.test(text)) drop(number - 1);
      const line = begun.length > 0 ? text : text.trim().replace(/^(?:->|<-|>|<)\s*/, '');
      begun.push(line);
      depth += braces(line);
      if (depth > 0 && begun.length < longestDocument && !isCutOff) return;
      const document = begun.join('\n');
      begun = [];
      depth = 0;
      // Only statistics matter; whatever else a transcript holds, whole or cut off, is passed over.
      if (!isStatistics(document)) return;
      try {
        add(JSON.parse(document), number);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        if (!isCutOff) throw notJson(number, document);
        notes.push(`${path}, line ${number}: the last reply is cut off and left out.`);
      }
    },
    finish() {
      if (isStatistics(begun.join())) notes.push(`${path}: the last reply is cut off and left out.`);
      if (builder.length < 2)
        throw new StrataError({
          code: 'elastic.bad-demand',
          what: 'too few guest statistics',
          where: path,
          expected: 'at least two replies with guest-stats at different times',
          found: `${builder.length} with statistics, ${unreported} in which the guest had reported none`,
          mend: 'Set guest-stats-polling-interval of the balloon, and poll guest-stats.',
        });
      return builder.finish(path, path, totalMib === undefined ? {} : { totalMib });
    },
    get warnings() {
      return [...notes, ...builder.warnings];
    },
  };
}

/** Braces that open less those that close, outside of strings. */
function braces(line: string): number {
  const bare = line.replace(/"(?:[^"\\]|\\.)*"/g, '');
  return [...bare].reduce((sum, character) => sum + (character === '{' ? 1 : character === '}' ? -1 : 0), 0);
}
