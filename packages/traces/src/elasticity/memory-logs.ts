import type { Demand } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import { createDemandBuilder, type DemandBuilder } from './demand-builder.ts';

const kibPerMib = 1024;
const pageMib = 1 / 256;
const hugeOrder = 9;

/** Formats that are logs of blocks, one block per sample, with a line of time before each. */
export type LogFormat = 'meminfo' | 'buddyinfo' | 'dommemstat';

export interface MemoryLogOptions {
  /** Between two blocks where no line says when. */
  readonly everySeconds: number;
  /** Size of the VM where the log lacks it (buddyinfo). */
  readonly totalMib?: number;
}

export interface MemoryLogReader {
  line(text: string, number: number): void;
  finish(): Demand;
}

/** A time of its own on a line: seconds since the epoch (or since anything), or a date. */
export function timeOf(text: string): number {
  const line = text
    .trim()
    .replace(/^(?:#|=+|---+|time[:=]|date[:=])\s*/i, '')
    .replace(/\s*=+$/, '');
  if (/^\d+(?:\.\d+)?$/.test(line)) return Number(line);
  return /^[\dA-Z][\d\w:.,+ -]{7,39}$/i.test(line) && /\d:\d/.test(line)
    ? Date.parse(line.replace(',', '.')) / 1000
    : Number.NaN;
}

/** One block of a log: the quantities that its lines named. */
type Block = Map<string, number>;

interface LogSyntax {
  /** Takes a line into the block; false when it is not one of this format. */
  take(line: string, block: Block): boolean;
  /** Whether a line begins a new block although no time stands before it. */
  begins(line: string, block: Block): boolean;
  sample(
    block: Block,
    totalMib: number,
  ): {
    readonly usedMib: number;
    readonly usedHugeMib: number;
    readonly totalMib: number;
    readonly residentMib: number;
  };
  readonly expected: string;
}

const syntaxes: Readonly<Record<LogFormat, LogSyntax>> = {
  meminfo: {
    expected: 'lines of /proc/meminfo (`MemFree:  17946644 kB`), and a time before each copy',
    begins: (line, block) => line.startsWith('MemTotal:') && block.has('MemTotal'),
    take(line, block) {
      const match = /^([A-Za-z0-9_()]+):\s+(\d+)(?:\s+kB)?\s*$/.exec(line);
      if (match) block.set(match[1]!, Number(match[2]));
      return match !== null;
    },
    sample(block) {
      const totalMib = need(block, 'MemTotal') / kibPerMib;
      return {
        totalMib,
        usedMib: totalMib - need(block, 'MemFree') / kibPerMib,
        usedHugeMib: Number.NaN,
        residentMib: Number.NaN,
      };
    },
  },
  buddyinfo: {
    expected: 'lines of /proc/buddyinfo (`Node 0, zone DMA32 1 0 0 ...`), and a time before each copy',
    begins: (line, block) => block.has(zoneOf(line)),
    take(line, block) {
      if (!/^Node\s+\d+,\s+zone\s+\S+(\s+\d+)+\s*$/.test(line)) return false;
      const counts = line.trim().split(/\s+/).slice(4).map(Number);
      block.set(zoneOf(line), 1);
      const add = (key: string, pages: number) => block.set(key, (block.get(key) ?? 0) + pages);
      counts.forEach((count, order) => {
        add('free', count * 2 ** order);
        // Blocks of 2 MiB and larger only: frames wholly free but in smaller pieces do not exist in a buddy allocator.
        if (order >= hugeOrder) add('freeHuge', count * 2 ** order);
      });
      return true;
    },
    sample(block, totalMib) {
      return {
        totalMib,
        usedMib: totalMib - need(block, 'free') * pageMib,
        usedHugeMib: totalMib - (block.get('freeHuge') ?? 0) * pageMib,
        residentMib: Number.NaN,
      };
    },
  },
  dommemstat: {
    expected: 'lines of virsh dommemstat (`unused 1048576`)',
    begins: (line, block) => /^\s*actual\s/.test(line) && block.has('actual'),
    take(line, block) {
      const match = /^\s*([a-z_]+)\s+(\d+)\s*$/.exec(line);
      if (match) block.set(match[1]!, Number(match[2]));
      return match !== null;
    },
    sample(block) {
      const available = need(block, 'available');
      const rss = block.get('rss');
      return {
        totalMib: Math.max(available, block.get('actual') ?? 0) / kibPerMib,
        usedMib: (available - need(block, 'unused')) / kibPerMib,
        usedHugeMib: Number.NaN,
        residentMib: rss === undefined ? Number.NaN : rss / kibPerMib,
      };
    },
  },
};

function zoneOf(line: string): string {
  return line.trim().split(/\s+/).slice(0, 4).join(' ');
}

class MissingField extends Error {}
function need(block: Block, key: string): number {
  const value = block.get(key);
  if (value === undefined) throw new MissingField(key);
  return value;
}

export function createMemoryLogReader(format: LogFormat, path: string, options: MemoryLogOptions): MemoryLogReader {
  const syntax = syntaxes[format];
  const builder: DemandBuilder = createDemandBuilder();
  let block: Block = new Map();
  let blockLine = 1;
  let time = Number.NaN;
  if (format === 'buddyinfo' && options.totalMib === undefined)
    throw new StrataError({
      code: 'elastic.no-size',
      what: '/proc/buddyinfo does not tell the size of the VM',
      where: path,
      mend: 'Give it with --total-gib.',
    });

  function close(): void {
    if (block.size === 0) return;
    try {
      const updated = block.get('last_update');
      const seconds = Number.isNaN(time) ? (updated ?? builder.length * options.everySeconds) : time;
      builder.add({ seconds, ...syntax.sample(block, options.totalMib ?? Number.NaN) });
    } catch (error) {
      if (!(error instanceof MissingField)) throw error;
      throw new StrataError({
        code: 'elastic.bad-demand',
        what: `a sample lacks ${error.message}`,
        where: `${path}, line ${blockLine}`,
        expected: syntax.expected,
      });
    }
    block = new Map();
  }

  return {
    line(text, number) {
      const line = text.trimEnd();
      if (line.trim() === '') return;
      const stamp = timeOf(line);
      if (!Number.isNaN(stamp)) {
        close();
        time = stamp;
        return;
      }
      if (syntax.begins(line, block)) {
        close();
        time = Number.NaN;
      }
      if (block.size === 0) blockLine = number;
      if (syntax.take(line, block)) return;
      throw new StrataError({
        code: 'elastic.bad-demand',
        what: 'unknown line',
        where: `${path}, line ${number}`,
        expected: syntax.expected,
        found: JSON.stringify(line.slice(0, 80)),
      });
    },
    finish() {
      close();
      return builder.finish(path, path, options.totalMib === undefined ? {} : { totalMib: options.totalMib });
    },
  };
}
