import { StrataError } from '@strata/model/machine';
import { kindOfApicWrite, kindOfMsrWrite, reasonName, reasonNamed } from '@strata/model/nesting';
import { type ExitRecording, recordingOf } from './recording.ts';

// Reports that give totals, not events: small texts, read whole.

/** One line of counts before it is normalised. */
export interface Counted {
  readonly reason: string;
  readonly count: number;
  readonly timeUs?: number;
  readonly kind?: string;
}

/** A row of a report by MSR, address or port. */
interface Access extends Counted {
  readonly section: string;
  readonly kind: string;
}

/** NaN and numbers beyond exact integers are damage: sums of what is left stay finite. */
export const isSound = (value: number) => Math.abs(value) <= Number.MAX_SAFE_INTEGER;
const areSound = (texts: readonly string[]) => texts.every((text) => /nan$/.test(text) || isSound(Number(text)));

const withRange =
  /^\s*(.+?)\s+(\d+)\s+([\d.]+)%\s+([\d.]+)%\s+([\d.]+)us\s+([\d.]+)us\s+([\d.]+)us\s+\(\s*\+-\s*([\d.]+|-?nan)%\s*\)\s*$/;
/** Perf of 2012 and 2013 has no Min and Max columns. */
const withoutRange = /^\s*(.+?)\s+(\d+)\s+([\d.]+)%\s+([\d.]+)%\s+([\d.]+)us\s+\(\s*\+-\s*([\d.]+|-?nan)%\s*\)\s*$/;

/** `perf kvm stat report`, of any event; several reports may follow each other in one file. */
export function readPerfKvmStat(text: string): ExitRecording {
  const lines = linesOf(text);
  const exits: Counted[] = [];
  const accesses: Access[] = [];
  let section = 'VM-EXIT';
  let samples = 0;
  let lost = 0;
  let skipped = 0;
  for (const line of lines) {
    const heading = /^\s*(VM-EXIT|MMIO Access|IO Port Access|MSR Access|Event name)\s+Samples/.exec(line);
    const total = /Total Samples:\s*(\d+)/.exec(line);
    const losses = /Lost events:\s*(\d+)/i.exec(line);
    if (heading !== null) section = heading[1]!;
    else if (!areSound([total?.[1] ?? '0', losses?.[1] ?? '0'])) skipped++;
    else if (total !== null) samples += section === 'VM-EXIT' || exits.length === 0 ? Number(total[1]) : 0;
    else if (losses !== null) lost += Number(losses[1]);
    else if (!/^\s*$|^\s*Analyze events for|^\s*#/.test(line)) {
      const row = withRange.exec(line);
      const short = row ?? withoutRange.exec(line);
      if (short === null || !areSound(short.slice(2))) skipped++;
      else {
        const count = Number(short[2]);
        const timeUs = count * Number(row === null ? short[5] : row[7]);
        if (section === 'VM-EXIT' || section === 'Event name') exits.push({ reason: short[1]!, count, timeUs });
        else accesses.push({ section, reason: short[1]!, count, timeUs, kind: kindOfAccess(section, short[1]!) });
      }
    }
  }
  const counted = exits.length > 0 ? exits : accesses;
  const sum = counted.reduce((all, { count }) => all + count, 0);
  const warnings = [
    ...(samples > sum ? [`The rows add up to ${sum}, the report counted ${samples}: rows are missing.`] : []),
    ...skippedWarning(skipped, lines.length),
  ];
  const recording = recordingOf(counted, {
    format: 'perf-kvm-stat',
    total: Math.max(samples, sum),
    lost,
    lines: lines.length,
    events: sum,
    skipped,
    interrupts: 0,
    warnings,
  });
  return exits.length > 0 ? withMmioApart(withMsrsApart(recording, exits, accesses), exits, accesses) : recording;
}

/** Where a report by MSR follows the one by reason: what the MSR exits were. */
function withMsrsApart(
  recording: ExitRecording,
  exits: readonly Counted[],
  accesses: readonly Access[],
): ExitRecording {
  // MSR_WRITE of VMX is writes only; `msr` of SVM and SYS64 of Arm are reads as well.
  const withReads = exits.some(({ reason }) => {
    const name = reasonName(reason);
    return name !== 'MSR_WRITE' && reasonNamed(name)?.mixed === 'msr';
  });
  const wanted = withReads ? /^0x[0-9a-f]+:[RW]$/ : /^0x[0-9a-f]+:W$/;
  const kinds = new Map(recording.kinds);
  let known = 0;
  for (const { section, reason, count, kind } of accesses) {
    if (section !== 'MSR Access' || !wanted.test(reason)) continue;
    kinds.set(kind, (kinds.get(kind) ?? 0) + count);
    known += count;
  }
  return known === 0 ? recording : { ...recording, kinds, unknownMsrs: Math.max(0, recording.unknownMsrs - known) };
}

/** Exits of one sort that accesses of memory can have come by, with the kind they were counted as. */
interface Pool {
  readonly kind: string;
  left: number;
}

/**
 * Where a report by address follows the one by reason: what faults were. Devices are reached by the reasons that mean a device and then by
 * those that mean anything (npf, DABT_LOW, EPT_VIOLATION); the local APIC by its own reasons first.
 */
function withMmioApart(
  recording: ExitRecording,
  exits: readonly Counted[],
  accesses: readonly Access[],
): ExitRecording {
  const rows = accesses.filter(({ section }) => section === 'MMIO Access');
  if (rows.length === 0) return recording;
  const pool = (kind: string, belongs: (name: string) => boolean): Pool => ({
    kind,
    left: exits.reduce((sum, { reason, count }) => sum + (belongs(reasonName(reason)) ? count : 0), 0),
  });
  const doorbells = pool('devnotify', (name) => reasonNamed(name)?.kind === 'devnotify');
  const apic = pool('ipi', (name) => name === 'APIC_ACCESS' || name === 'APIC_WRITE');
  const faults = pool('ept', (name) => reasonNamed(name)?.mixed === 'mmio');
  const kinds = new Map(recording.kinds);
  const move = (from: Pool, to: string, wanted: number): number => {
    const moved = Math.min(from.left, wanted);
    from.left -= moved;
    kinds.set(from.kind, (kinds.get(from.kind) ?? 0) - moved);
    kinds.set(to, (kinds.get(to) ?? 0) + moved);
    return wanted - moved;
  };
  let beyond = 0;
  for (const { reason, count, kind } of rows) {
    let left = count;
    for (const from of isLocalApic(reason) ? [apic, faults, doorbells] : [doorbells, faults])
      left = move(from, kind, left);
    beyond += left;
  }
  for (const [kind, count] of kinds) if (count === 0) kinds.delete(kind);
  const warning = `${beyond} accesses of memory-mapped I/O are more than the exits that can have brought them: the two reports are of different times, or one exit made several accesses.`;
  return { ...recording, kinds, warnings: [...recording.warnings, ...(beyond > 0 ? [warning] : [])] };
}

function isLocalApic(key: string): boolean {
  const offset = Number(key.split(':')[0]) - localApicBase;
  return offset >= 0 && offset < 4_096;
}

/** Where the registers of the local APIC lie in memory unless a guest moves them, which none does. */
const localApicBase = 0xfee00000;

function kindOfAccess(section: string, key: string): string {
  if (section === 'IO Port Access') return 'pio';
  const [address, direction] = key.split(':');
  if (section === 'MMIO Access') {
    if (!isLocalApic(key)) return 'devnotify';
    return direction === 'W' ? kindOfApicWrite(Number(address) - localApicBase) : 'other';
  }
  return direction === 'W' ? kindOfMsrWrite(Number(address)) : 'msr';
}

/** `kvm_stat` in its three forms: `-1` (name, total, delta), `-l` (banner and rows) and `-c -l` (CSV). */
export function readKvmStat(text: string): ExitRecording {
  const lines = linesOf(text);
  const counts = new Map<string, number>();
  const add = (name: string, count: number) => counts.set(name, (counts.get(name) ?? 0) + count);
  let names: string[] = [];
  let seconds = 0;
  let skipped = 0;
  for (const line of lines) {
    if (/^\s*$/.test(line)) continue;
    const batch = /^(\S+)\s+(\d+)\s+(-?\d+)\s*$/.exec(line);
    const cells = line.includes(',')
      ? line.split(',').map((cell) => cell.replaceAll('"', '').trim())
      : line.trim().split(/\s+/);
    if (batch !== null && !/^\d/.test(batch[1]!)) {
      if (!areSound(batch.slice(2))) {
        skipped++;
        continue;
      }
      seconds = 1;
      add(batch[1]!, Math.max(0, Number(batch[3])));
    } else if (cells.some((cell) => /^(kvm_|exits$|[a-z_]+exits$)/.test(cell))) names = cells;
    else {
      const values = cells.length === names.length ? cells : cells.slice(cells.length - names.length);
      if (
        names.length === 0 ||
        values.length !== names.length ||
        !/^\d+$/.test(values.at(-1) ?? '') ||
        values.some((value) => /^\d+$/.test(value) && !isSound(Number(value)))
      )
        skipped++;
      else {
        seconds++;
        for (const [index, name] of names.entries())
          if (/^\d+$/.test(values[index]!) && !/^(%?time|timestamp)/i.test(name)) add(name, Number(values[index]));
      }
    }
  }
  const children = [...counts].flatMap(([name, count]) => {
    const reason = /^kvm_exit\((.+)\)$/.exec(name);
    return reason === null ? [] : [{ reason: reason[1]!, count }];
  });
  const named: Counted[] = children.length > 0 ? children : debugfsCounters(counts);
  const sum = named.reduce((all, { count }) => all + count, 0);
  const total = Math.max(sum, counts.get('kvm_exit') ?? counts.get('exits') ?? 0);
  // Fields can be filtered in kvm_stat: the exits of those left out still happened.
  const counted = total > sum ? [...named, { reason: 'other', count: total - sum, kind: 'other' }] : named;
  return recordingOf(counted, {
    format: 'kvm-stat',
    total,
    lost: 0,
    lines: lines.length,
    events: counts.size,
    skipped,
    interrupts: counts.get('kvm_inj_virq') ?? counts.get('irq_injections') ?? 0,
    ...(seconds > 0 && { windowSeconds: seconds }),
    warnings: [
      ...(children.length > 0 && total > sum
        ? [`${total - sum} of ${total} exits have no kvm_exit(REASON) field: they count as other.`]
        : []),
      ...(children.length > 0 ? [] : ['No exit reasons (kvm_exit(...)), only counters of debugfs: coarse kinds.']),
      ...skippedWarning(skipped, lines.length),
    ],
  });
}

const counterKinds: Readonly<Record<string, string>> = {
  halt_exits: 'hlt',
  io_exits: 'pio',
  mmio_exits: 'pio-user',
  irq_exits: 'host-interrupt',
  irq_window_exits: 'irq-window',
  irq_window: 'irq-window',
  nmi_window_exits: 'irq-window',
  request_irq_exits: 'irq-window',
  request_irq: 'irq-window',
  signal_exits: 'other',
  hypercalls: 'hypercall',
  pf_taken: 'ept',
};

function debugfsCounters(counts: ReadonlyMap<string, number>): Counted[] {
  const known = Object.entries(counterKinds).flatMap(([name, kind]) => {
    const count = counts.get(name);
    return count === undefined ? [] : [{ reason: name, count, kind }];
  });
  const rest = (counts.get('exits') ?? 0) - known.reduce((all, { count }) => all + count, 0);
  return rest > 0 ? [...known, { reason: 'exits', count: rest, kind: 'other' }] : known;
}

/**
 * `reason,count[,total_ns|avg_ns][,vcpu][,window_s][,ops]` in any order of columns. Reasons may also be kinds of the model, counts fractions.
 * @throws StrataError `nest.csv` with the line
 */
export function readExitCsv(text: string, where: string, kinds: ReadonlySet<string>): ExitRecording {
  const lines = linesOf(text);
  const header = (lines[0] ?? '').split(',').map((cell) => cell.replaceAll('"', '').trim().toLowerCase());
  const column = (...names: string[]) => header.findIndex((name) => names.includes(name));
  const at = {
    reason: column('reason', 'kind', 'exit_reason'),
    count: column('count'),
    total: column('total_ns'),
    average: column('avg_ns'),
  };
  const perRow = { window: column('window_s'), ops: column('ops') };
  const counted: Counted[] = [];
  let windowSeconds = 0;
  let operations = 0;
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === '') continue;
    const cells = line.split(',').map((cell) => cell.replaceAll('"', '').trim());
    const numberAt = (where_: number) =>
      where_ < 0 || (cells[where_] ?? '') === '' ? undefined : Number(cells[where_]);
    const count = numberAt(at.count);
    const reason = cells[at.reason] ?? '';
    const numbers = [count, numberAt(at.total), numberAt(at.average), numberAt(perRow.window), numberAt(perRow.ops)];
    if (
      reason === '' ||
      count === undefined ||
      numbers.some((value) => value !== undefined && !(value >= 0 && isSound(value)))
    )
      throw new StrataError({
        code: 'nest.csv',
        what: 'not a row of exits',
        where: `${where}, line ${index + 1}`,
        expected: `${header.join(',')} with numbers of at least 0`,
        found: line.slice(0, 80),
      });
    const total = numbers[1] ?? (numbers[2] === undefined ? undefined : numbers[2] * count);
    counted.push({
      reason,
      count,
      ...(total !== undefined && { timeUs: total / 1_000 }),
      ...(kinds.has(reason) && { kind: reason }),
    });
    windowSeconds = Math.max(windowSeconds, numbers[3] ?? 0);
    operations = Math.max(operations, numbers[4] ?? 0);
  }
  const total = counted.reduce((all, { count }) => all + count, 0);
  return recordingOf(counted, {
    format: 'csv',
    total,
    lost: 0,
    lines: lines.length,
    events: counted.length,
    interrupts: 0,
    ...(windowSeconds > 0 && { windowSeconds }),
    ...(operations > 0 && { operations }),
    warnings: [],
  });
}

/** For reports and event texts alike. */
export function skippedWarning(skipped: number, lines: number): string[] {
  return skipped > 0 ? [`${skipped} of ${lines} lines are damaged or unknown and were skipped.`] : [];
}

/** What is longer is no line of these reports: cut, so that no pattern crawls over it. */
const longestLine = 4_000;

export function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => (line.length > longestLine ? line.slice(0, longestLine) : line));
}
