import { type ExitRecording, recordingOf } from './recording.ts';
import { type Counted, isSound, linesOf, skippedWarning } from './reports.ts';

const eventKinds: Readonly<Record<string, string>> = {
  kvm_apic_ipi: 'ipi',
  kvm_pio: 'pio',
  kvm_mmio: 'pio-user',
  kvm_fast_mmio: 'devnotify',
  kvm_cpuid: 'cpuid',
  kvm_hypercall: 'hypercall',
  kvm_page_fault: 'ept',
  kvm_eoi: 'eoi',
};

interface EventCount {
  readonly name: string;
  readonly count: number;
  /** With `-I`: seconds since the start. */
  readonly atSeconds?: number;
}

/** A line of `perf stat`: printed or separated (`-x`), with or without times (`-I`) and processors (`-A`) before the count. */
function eventCount(line: string): EventCount | undefined {
  const at = /(^|[\s,;|])kvm:([\w-]+)/.exec(line);
  if (at === null) return undefined;
  const before = line.slice(0, at.index + at[1]!.length);
  // Separated: count, unit, event.
  const separated = /(?:^|[,;|\t])\s*(\d+)\s*([,;|\t])[^,;|\t]*\2\s*$/.exec(before);
  // Printed: columns stand apart by more than one blank, thousands at most by one.
  const text =
    separated?.[1] ??
    before
      .trimEnd()
      .split(/\s{2,}/)
      .at(-1)!
      .trim();
  if (!/^\d/.test(text) || /[A-Za-z<>]/.test(text)) return undefined;
  const time = /^\s*(\d+[.,]\d+)(?:\s{2,}|[,;|\t])/.exec(before);
  return {
    name: at[2]!,
    count: Number(text.replace(/\D/g, '')),
    ...(time !== null && { atSeconds: Number(time[1]!.replace(',', '.')) }),
  };
}

/** `perf stat -e 'kvm:*'`, printed or as CSV (`-x,`). Events, not reasons: the rest of kvm_exit is counted as other. */
export function readPerfStat(text: string): ExitRecording {
  const lines = linesOf(text);
  const counts = new Map<string, number>();
  let seconds: number | undefined;
  let skipped = 0;
  for (const line of lines) {
    const row = eventCount(line);
    const elapsed = /^\s*([\d.,]+)\s+seconds time elapsed/.exec(line);
    const elapsedSeconds = Number(elapsed?.[1]?.replace(',', '.') ?? 0);
    if (!isSound(row?.count ?? 0) || !isSound(elapsedSeconds)) skipped++;
    else if (row !== undefined) {
      counts.set(row.name, (counts.get(row.name) ?? 0) + row.count);
      if (row.atSeconds !== undefined) seconds = Math.max(seconds ?? 0, row.atSeconds);
    } else if (elapsed !== null) seconds = elapsedSeconds;
    else if (!/^\s*$|^\s*#|Performance counter stats|<not|seconds (user|sys)/.test(line)) skipped++;
  }
  const total = counts.get('kvm_exit') ?? counts.get('kvm_entry') ?? 0;
  const counted = exitsByEvent(counts, total);
  const sum = counted.reduce((all, { count }) => all + count, 0);
  return recordingOf(counted, {
    format: 'perf-stat',
    total,
    lost: 0,
    lines: lines.length,
    events: counts.size,
    skipped,
    interrupts: counts.get('kvm_inj_virq') ?? 0,
    ...(seconds !== undefined && { windowSeconds: seconds }),
    warnings: [
      'perf stat counts events, not exit reasons: kinds are inferred from the events, the rest is "other". IPIs and EOIs are taken for writes of MSRs (x2APIC) where the writes suffice for them.',
      ...(total > 0 ? [] : ['kvm_exit was not counted: how many exits there were is not known.']),
      ...(sum > total && total > 0
        ? [`The events add up to ${sum} exits, kvm_exit counted ${total}: one exit caused several of them.`]
        : []),
      ...skippedWarning(skipped, lines.length),
    ],
  });
}

/** Events that an MSR write of x2APIC brings about beside kvm_msr itself. */
const eventsOfMsrs = ['kvm_apic_ipi', 'kvm_eoi'];

/**
 * Exits from counts of events. Under x2APIC one write of the ICR counts as kvm_msr and as kvm_apic_ipi: one exit, not two. Where there are
 * fewer writes of MSRs than such events, the guest uses xAPIC and they have exits of their own.
 */
function exitsByEvent(counts: ReadonlyMap<string, number>, total: number): Counted[] {
  let msrs = counts.get('kvm_msr') ?? 0;
  const counted: Counted[] = [];
  for (const [name, count] of counts) {
    const kind = eventKinds[name];
    if (kind === undefined || count === 0) continue;
    const isMsr = eventsOfMsrs.includes(name) && msrs >= count;
    if (isMsr) msrs -= count;
    counted.push({ reason: isMsr ? 'MSR_WRITE' : name, count, kind });
  }
  if (msrs > 0) counted.push({ reason: 'MSR_WRITE', count: msrs });
  const rest = total - counted.reduce((all, { count }) => all + count, 0);
  return rest > 0 ? [...counted, { reason: 'other', count: rest, kind: 'other' }] : counted;
}
