import { StrataError } from '@strata/model/machine';
import { createDemandBuilder } from './demand-builder.ts';
import type { MemoryLogReader } from './memory-logs.ts';

const mib = 1_048_576;

/** QEMU's sign for a statistic that the guest never reported: 2^64 - 1, which a JSON number cannot hold exactly. */
const neverReported = 2 ** 63;

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

/** Reads a QMP transcript, one JSON document per line: samples are the balloon's `guest-stats`. */
export function createQmpReader(path: string, { totalMib }: { readonly totalMib?: number }): MemoryLogReader {
  const builder = createDemandBuilder();
  let last = -1;
  let unreported = 0;
  return {
    line(text, number) {
      // A transcript may hold the client's side (`-> `, `<- `) as well.
      const document = text.trim().replace(/^(?:->|<-|>|<)\s*/, '');
      // Only statistics matter; whatever else a transcript holds, whole or cut off, is passed over.
      if (!document.includes('"stats"')) return;
      let reply: unknown;
      try {
        reply = JSON.parse(document);
      } catch {
        throw new StrataError({
          code: 'elastic.bad-demand',
          what: 'not JSON',
          where: `${path}, line ${number}`,
          expected: 'one reply or event of QMP per line',
          found: JSON.stringify(document.slice(0, 80)),
        });
      }
      const answer = member(reply, 'return') ?? member(reply, 'v') ?? reply;
      const stats = member(answer, 'stats');
      if (stats === undefined) return;
      const seconds = Number(member(answer, 'last-update'));
      const total = Number(member(stats, 'stat-total-memory'));
      const free = Number(member(stats, 'stat-free-memory'));
      if (!(total < neverReported && free < neverReported) || !(seconds > 0)) {
        unreported++;
        return;
      }
      // Polling faster than the guest reports repeats the same statistics.
      if (seconds <= last) return;
      last = seconds;
      builder.add({
        seconds,
        usedMib: (total - free) / mib,
        usedHugeMib: Number.NaN,
        residentMib: Number.NaN,
        totalMib: total / mib,
      });
    },
    finish() {
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
  };
}
