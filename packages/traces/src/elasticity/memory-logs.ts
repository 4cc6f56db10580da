import type { Demand } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import { createDemandBuilder, type DemandBuilder } from './demand-builder.ts';
import { timeOf } from './times.ts';

const kibPerMib = 1024;
const pageMib = 1 / 256;
const hugeOrder = 9;
/** Linux has at least the orders 0 to 9 wherever a huge page has 512 pages. */
const leastOrders = hugeOrder + 1;

/** Formats that are logs of blocks, one block per sample, with a line of time before each. */
export type LogFormat = 'meminfo' | 'buddyinfo' | 'dommemstat' | 'host';

/** Logs that do not tell the size of the VM, and whose they are. */
const withoutSize: Readonly<Partial<Record<LogFormat, string>>> = {
  buddyinfo: '/proc/buddyinfo does not tell the size of the VM',
  host: 'what a process of the host has resident does not tell the size of the VM',
};

export interface MemoryLogOptions {
  /** Between two blocks where no line says when. */
  readonly everySeconds: number;
  /** Size of the VM where the log lacks it (buddyinfo, host). */
  readonly totalMib?: number;
}

export interface MemoryLogReader {
  /** @param isCutOff the line is the last and not ended by a line break */
  line(text: string, number: number, isCutOff?: boolean): void;
  finish(): Demand;
  readonly warnings: readonly string[];
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
  /** How to have what a sample lacks recorded. */
  readonly mend?: string;
}

const syntaxes: Readonly<Record<LogFormat, LogSyntax>> = {
  meminfo: {
    expected: 'lines of /proc/meminfo (`MemFree:  17946644 kB`), and a time before each copy',
    begins: (line, block) => line.trimStart().startsWith('MemTotal:') && block.has('MemTotal'),
    take(line, block) {
      const match = /^\s*(?:(HugePages_\w+):\s+(\d+)|([A-Za-z0-9_()]+):\s+(\d+)\s+kB)\s*$/.exec(line);
      if (match) block.set(match[1] ?? match[3]!, Number(match[2] ?? match[4]));
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
    expected:
      'lines of /proc/buddyinfo (`Node 0, zone DMA32 1 0 0 ...`) or /proc/pagetypeinfo, and a time before each copy',
    begins: (line, block) => block.has(zoneOf(line)),
    take(line, block) {
      if (pagetypeHeading.test(line)) return true;
      const match = /^\s*Node\s+\d+,\s+zone\s+[^\s,]+(,\s+type\s+\S+)?((?:\s+>?\d+)+)\s*$/.exec(line);
      if (match === null) return false;
      // Below its free blocks, /proc/pagetypeinfo counts the pageblocks of each type.
      if (match[1] === undefined && block.has('types')) return true;
      const counts = match[2]!
        .trim()
        .split(/\s+/)
        .map((count) => Number(count.replace('>', '')));
      // Every zone has as many orders as the others: fewer are a line that was cut off.
      if (counts.length < (block.get('orders') ?? leastOrders)) return false;
      block.set('orders', counts.length);
      if (match[1] !== undefined) block.set('types', 1);
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
    mend: 'Have the guest report them: virsh dommemstat DOMAIN --period 2.',
    sample(block) {
      const available = need(block, 'available');
      const rss = block.get('rss');
      // Guests that do not tell what is unused tell what programs could have: the page cache counts as free then.
      const free = block.get('unused') ?? need(block, 'usable');
      return {
        totalMib: Math.max(available, block.get('actual') ?? 0) / kibPerMib,
        usedMib: Math.max(0, available - free) / kibPerMib,
        usedHugeMib: Number.NaN,
        residentMib: rss === undefined ? Number.NaN : rss / kibPerMib,
      };
    },
  },
  host: {
    expected:
      'copies of /proc/PID/statm or smaps_rollup of the VM, or `memory.current BYTES` of its cgroup, and a time before each',
    begins: (line, block) => (isRollup(line) || statm.test(line) || cgroup.test(line)) && block.size > 0,
    take(line, block) {
      if (isRollup(line)) return true;
      const pages = statm.exec(line);
      if (pages) block.set('resident', Number(pages[1]) * pageMib);
      const bytes = cgroup.exec(line);
      if (bytes) block.set('resident', Number(bytes[1]) / 2 ** 20);
      const counted = /^\s*([A-Za-z_]+):\s+(\d+)\s+kB\s*$/.exec(line);
      if (counted?.[1] === 'Rss') block.set('resident', Number(counted[2]) / kibPerMib);
      return (pages ?? bytes ?? counted) !== null;
    },
    sample(block, totalMib) {
      const residentMib = need(block, 'resident');
      return { totalMib, usedMib: Math.min(residentMib, totalMib), usedHugeMib: Number.NaN, residentMib };
    },
  },
};

/** The first line of /proc/PID/smaps_rollup. */
const isRollup = (line: string): boolean => /^[\da-f]+-[\da-f]+ .*\[rollup\]\s*$/.test(line);
/** /proc/PID/statm, in pages of 4 KiB: size, resident, shared, text, lib, data, dt. */
const statm = /^\s*\d+ (\d+)(?: \d+){5}\s*$/;
/** Whether a line is of the host's own files and of none of the guest's. */
export const isHostLine = (line: string): boolean => isRollup(line) || statm.test(line) || cgroup.test(line);
const cgroup = /^\s*memory\.current[\s:=]+(\d+)\s*$/;

/** Lines of /proc/pagetypeinfo that hold no zone. */
const pagetypeHeading =
  /^\s*(?:Page block order:|Pages per block:|Free pages count per migrate type|Number of blocks type)/;

/** The zone of a line, and the migrate type where it tells one. */
function zoneOf(line: string): string {
  const words = line.trim().split(/\s+/);
  return words.slice(0, words[4] === 'type' ? 6 : 4).join(' ');
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
  const notes: string[] = [];
  let block: Block = new Map();
  /** Number of quantities in the first block, by which later ones are known to be whole. */
  let whole = 0;
  let blockLine = 1;
  let time = Number.NaN;
  const sizeless = withoutSize[format];
  if (sizeless !== undefined && options.totalMib === undefined)
    throw new StrataError({
      code: 'elastic.no-size',
      what: sizeless,
      where: path,
      mend: 'Give it with --total-gib.',
    });

  function close(): void {
    if (block.size === 0) return;
    const where = `${path}, line ${blockLine}`;
    try {
      if (format === 'buddyinfo' && block.size < whole) throw new MissingField('a zone');
      whole ||= block.size;
      const seconds = Number.isNaN(time) ? (block.get('last_update') ?? builder.length * options.everySeconds) : time;
      builder.add({ seconds, ...syntax.sample(block, options.totalMib ?? Number.NaN) }, where);
    } catch (error) {
      if (!(error instanceof MissingField)) throw error;
      throw new StrataError({
        code: 'elastic.bad-demand',
        what: `a sample lacks ${error.message}`,
        where,
        expected: syntax.expected,
        ...(syntax.mend !== undefined && { mend: syntax.mend }),
      });
    } finally {
      block = new Map();
    }
  }

  return {
    line(text, number, isCutOff = false) {
      const line = text.trimEnd();
      if (line.trim() === '') return;
      const stamp = timeOf(line);
      if (!Number.isNaN(stamp)) {
        close();
        time = stamp;
        return;
      }
      if (isCutOff && !syntax.take(line, new Map(block))) {
        block = new Map();
        notes.push(`${path}, line ${number}: the last sample is cut off and left out.`);
        return;
      }
      if (syntax.begins(line, block)) {
        close();
        time = Number.NaN;
      }
      if (block.size === 0) blockLine = number;
      if (syntax.take(line, block)) {
        if (isCutOff) notes.push(`${path}, line ${number}: the last line has no end: its number may be cut off.`);
        return;
      }
      throw new StrataError({
        code: 'elastic.bad-demand',
        what: 'unknown line',
        where: `${path}, line ${number}`,
        expected: syntax.expected,
        found: JSON.stringify(line.slice(0, 80)),
      });
    },
    finish() {
      try {
        close();
      } catch (error) {
        // A log that was being written when it was copied ends within a sample.
        if (!(error instanceof StrataError) || builder.length < 2) throw error;
        notes.push(`${path}, line ${blockLine}: the last sample is not whole and left out.`);
      }
      return builder.finish(path, path, options.totalMib === undefined ? {} : { totalMib: options.totalMib });
    },
    get warnings() {
      return [...notes, ...builder.warnings];
    },
  };
}
