import { kindOfMsrWrite, reasonName, reasonNamed } from '@strata/model/nesting';

/** Formats that exits can be read from, by the program that writes them. */
export type ExitFormat =
  | 'perf-kvm-stat'
  | 'perf-script'
  | 'trace-cmd'
  | 'ftrace'
  | 'ring-buffer'
  | 'kvm-stat'
  | 'perf-stat'
  | 'csv';

export interface ReasonCount {
  readonly count: number;
  /** Microseconds from the exits to the next entries of the same threads, where recorded. Sleep is part of it for idle reasons. */
  readonly timeUs?: number;
}

/** How the exits of nested guests went, where the recording was made on their L0. */
export interface NestedExits {
  /** Exits that came from a nested guest. */
  readonly exits: number;
  /** Those of them handed to the guest hypervisor. */
  readonly reflected: number;
  /** VMREAD and VMWRITE exits of guest hypervisors per reflected exit: the N of the model, measured. */
  readonly accessesPerReflected?: number;
}

/** What a recording says about exits, whatever its format. */
export interface ExitRecording {
  readonly format: ExitFormat;
  readonly compression: readonly string[];
  /** By the kernel's reason name, in order of first appearance. */
  readonly reasons: ReadonlyMap<string, ReasonCount>;
  /** By exit kind of the model, mixed reasons taken apart where a second event allows it. */
  readonly kinds: ReadonlyMap<string, number>;
  /** MSR exits whose MSR is not known: timer, IPI or anything else. Not in `kinds`. */
  readonly unknownMsrs: number;
  readonly total: number;
  /** Events that the recorder says it dropped. */
  readonly lost: number;
  readonly lines: number;
  /** Lines or records of any event. */
  readonly events: number;
  /** Lines that are neither an event nor known dressing, and damaged ones; damaged pages of a ring buffer. */
  readonly skipped: number;
  /** Interrupts injected into the guest. */
  readonly interrupts: number;
  /** Length of the recording in seconds. */
  readonly windowSeconds?: number;
  /** Time in the guest, between entry and exit, of all threads. */
  readonly guestUs?: number;
  readonly threads?: number;
  /** Operations done meanwhile, where the file says so. */
  readonly operations?: number;
  readonly nested?: NestedExits;
  /** The reading ended before the file did. */
  readonly interrupted?: true;
  readonly warnings: readonly string[];
}

interface MutableCount {
  name: string;
  kind: string;
  mixed: 'msr' | 'mmio' | undefined;
  count: number;
  timeUs: number;
  timed: boolean;
}

interface ThreadState {
  /** The exit being handled, if any. */
  open: MutableCount | undefined;
  kind: string;
  exitUs: number;
  entryUs: number;
  fromNested: boolean;
}

const apicKinds: ReadonlyMap<string, string> = new Map([
  ['APIC_ICR', 'ipi'],
  ['APIC_EOI', 'eoi'],
  ['APIC_TMICT', 'timer'],
  ['APIC_LVTT', 'timer'],
  ['APIC_TASKPRI', 'tpr'],
]);
/** Exits that a write of the local APIC can come by. */
const apicReasons = new Set([
  'APIC_ACCESS',
  'APIC_WRITE',
  'MSR_WRITE',
  'EPT_VIOLATION',
  'EPT_MISCONFIG',
  'msr',
  'npf',
  'avic_unaccelerated_access',
  'avic_incomplete_ipi',
]);

/** Real traces have a few dozen reasons; damage must not fill the memory. */
const mostReasons = 4_096;
/** Names in one warning. */
const shownUnknown = 5;

/** Pairs exits with what follows them on the same thread. Fed by the text and the binary reader alike. */
export interface ExitTally {
  exit(thread: number, timeUs: number, printedReason: string): void;
  entry(thread: number, timeUs: number): void;
  msr(thread: number, write: boolean, index: number): void;
  /** A register of the local APIC was written, whatever the exit that brought it: `APIC_ICR`, `APIC_EOI`, ... */
  apic(thread: number, register: string): void;
  /** MMIO was emulated or recognised by its address. */
  mmio(thread: number): void;
  /** The exit went on to the user-space device model. */
  userIo(thread: number): void;
  nestedExit(thread: number): void;
  nestedInject(thread: number): void;
  interrupt(): void;
  event(timeUs: number): void;
  lose(count: number): void;
  finish(rest: {
    format: ExitFormat;
    compression: readonly string[];
    lines: number;
    skipped: number;
    warnings: readonly string[];
  }): ExitRecording;
}

export function createExitTally(): ExitTally {
  const byPrinted = new Map<string, MutableCount>();
  const counts = new Map<string, MutableCount>();
  const kinds = new Map<string, number>();
  const threads = new Map<number, ThreadState>();
  let events = 0;
  let total = 0;
  let lost = 0;
  let interrupts = 0;
  let unknownMsrs = 0;
  let guestUs = 0;
  let firstUs = Number.NaN;
  let lastUs = Number.NaN;
  let nestedExits = 0;
  let reflected = 0;
  let accesses = 0;

  function countOf(printed: string): MutableCount {
    let known = byPrinted.get(printed);
    if (known !== undefined) return known;
    const name = counts.size < mostReasons ? reasonName(printed) : 'further reasons';
    known = counts.get(name);
    if (known === undefined) {
      const reason = reasonNamed(name);
      known = { name, kind: reason?.kind ?? 'other', mixed: reason?.mixed, count: 0, timeUs: 0, timed: false };
      counts.set(name, known);
    }
    if (byPrinted.size < mostReasons) byPrinted.set(printed, known);
    return known;
  }

  function stateOf(thread: number): ThreadState {
    let state = threads.get(thread);
    if (state === undefined) {
      state = { open: undefined, kind: '', exitUs: 0, entryUs: Number.NaN, fromNested: false };
      threads.set(thread, state);
    }
    return state;
  }

  function close(state: ThreadState, timeUs: number): void {
    const { open } = state;
    if (open === undefined) return;
    if (timeUs >= state.exitUs) {
      open.timeUs += timeUs - state.exitUs;
      open.timed = true;
    }
    if (state.kind === '') unknownMsrs++;
    else kinds.set(state.kind, (kinds.get(state.kind) ?? 0) + 1);
    state.open = undefined;
  }

  return {
    exit(thread, timeUs, printedReason) {
      const state = stateOf(thread);
      close(state, Number.NaN);
      if (timeUs >= state.entryUs) guestUs += timeUs - state.entryUs;
      const reason = countOf(printedReason);
      reason.count++;
      total++;
      if (reason.kind === 'vmread') accesses++;
      state.open = reason;
      state.kind = reason.mixed === 'msr' ? '' : reason.kind;
      state.exitUs = timeUs;
      state.entryUs = Number.NaN;
      state.fromNested = false;
    },
    entry(thread, timeUs) {
      const state = stateOf(thread);
      close(state, timeUs);
      state.entryUs = timeUs;
    },
    msr(thread, write, index) {
      const state = threads.get(thread);
      if (state?.open !== undefined && (state.open.mixed === 'msr' || state.open.kind === 'msr'))
        state.kind = write ? kindOfMsrWrite(index) : 'msr';
    },
    apic(thread, register) {
      const state = threads.get(thread);
      const kind = apicKinds.get(register);
      if (state?.open !== undefined && kind !== undefined && apicReasons.has(state.open.name)) state.kind = kind;
    },
    mmio(thread) {
      const state = threads.get(thread);
      if (state?.open?.mixed === 'mmio') state.kind = 'devnotify';
    },
    userIo(thread) {
      const state = threads.get(thread);
      if (state?.open !== undefined && (state.kind === 'pio' || state.kind === 'devnotify' || state.kind === 'ept'))
        state.kind = 'pio-user';
    },
    nestedExit(thread) {
      const state = threads.get(thread);
      if (state?.open === undefined || state.fromNested) return;
      state.fromNested = true;
      nestedExits++;
    },
    nestedInject() {
      reflected++;
    },
    interrupt() {
      interrupts++;
    },
    event(timeUs) {
      events++;
      if (Number.isNaN(firstUs)) firstUs = timeUs;
      lastUs = timeUs;
    },
    lose(count) {
      lost += count;
    },
    finish(rest) {
      for (const state of threads.values()) close(state, Number.NaN);
      const reasons = new Map<string, ReasonCount>();
      for (const { name, count, timed, timeUs } of counts.values())
        reasons.set(name, timed ? { count, timeUs: Math.round(timeUs * 1_000) / 1_000 } : { count });
      const unknown = [...counts.values()].filter(({ name }) => reasonNamed(name) === undefined);
      return {
        ...rest,
        warnings: [...rest.warnings, ...unknownWarning(unknown)],
        reasons,
        kinds,
        unknownMsrs,
        total,
        lost,
        events,
        interrupts,
        guestUs,
        threads: threads.size,
        ...(lastUs > firstUs && { windowSeconds: (lastUs - firstUs) / 1e6 }),
        ...(nestedExits > 0 && {
          nested: {
            exits: nestedExits,
            reflected,
            ...(reflected > 0 && { accessesPerReflected: accesses / reflected }),
          },
        }),
      };
    },
  };
}

/** For formats that give totals: counts by printed reason, duplicates added up. */
export function recordingOf(
  counts: readonly {
    readonly reason: string;
    readonly count: number;
    readonly timeUs?: number;
    readonly kind?: string;
  }[],
  rest: Omit<ExitRecording, 'reasons' | 'kinds' | 'unknownMsrs' | 'compression' | 'skipped'> & {
    readonly skipped?: number;
  },
): ExitRecording {
  const reasons = new Map<string, ReasonCount>();
  const kinds = new Map<string, number>();
  const unknown: { name: string; count: number }[] = [];
  let unknownMsrs = 0;
  for (const { reason, count, timeUs, kind } of counts) {
    const name = reasonName(reason);
    const known = reasonNamed(name);
    const old = reasons.get(name);
    const time = timeUs === undefined ? old?.timeUs : (old?.timeUs ?? 0) + timeUs;
    reasons.set(name, { count: (old?.count ?? 0) + count, ...(time !== undefined && { timeUs: time }) });
    if (kind === undefined && known?.mixed === 'msr') unknownMsrs += count;
    else {
      const of = kind ?? known?.kind ?? 'other';
      if (kind === undefined && known === undefined) unknown.push({ name, count });
      kinds.set(of, (kinds.get(of) ?? 0) + count);
    }
  }
  const warnings = [...rest.warnings, ...unknownWarning(unknown)];
  return { skipped: 0, ...rest, warnings, compression: [], reasons, kinds, unknownMsrs };
}

/** `UNKNOWN` is what perf itself says. */
function unknownWarning(unknown: readonly { readonly name: string; readonly count: number }[]): string[] {
  const names = [...new Set(unknown.map(({ name }) => name))];
  if (names.length === 0) return [];
  const exits = unknown.reduce((sum, { count }) => sum + count, 0);
  const shown = names.slice(0, shownUnknown).join(', ');
  const more = names.length > shownUnknown ? ` and ${names.length - shownUnknown} more` : '';
  return [`${exits} exits count as other: no reason of Intel, AMD or Arm is named ${shown}${more}.`];
}
