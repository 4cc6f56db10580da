import { type AccessBlock, AccessKind, StrataError } from '@strata/model/machine';

/** drmemtrace's marker that a window of the program begins; its value is the window's number (WINDOW_ID in DynamoRIO's trace format). */
const windowMarker = 14;

export interface WindowFilter {
  /** Turns accesses outside the window into events, which no simulator counts. */
  apply(block: AccessBlock): void;
  /** @throws StrataError `trace.no-window` when the trace never reached the window */
  end(): void;
}

/** Leaves one region of a trace: what each thread did between its marker of this window and that of the next. */
export function createWindowFilter(window: number, trace: string): WindowFilter {
  /** By thread; before its first marker a thread is in none. */
  const current: (number | undefined)[] = [];
  const met = new Set<number>();
  return {
    apply({ length, kind, size, lo, thread }) {
      for (let at = 0; at < length; at++) {
        const of = thread[at]!;
        if (kind[at] === AccessKind.marker && size[at] === windowMarker) {
          current[of] = lo[at]!;
          met.add(lo[at]!);
        } else if (kind[at]! <= AccessKind.prefetch && current[of] !== window) kind[at] = AccessKind.other;
      }
    },
    end() {
      if (met.has(window)) return;
      throw new StrataError({
        code: 'trace.no-window',
        what: met.size === 0 ? 'the trace has no window markers' : `the trace has no window ${window}`,
        where: trace,
        expected: 'a drmemtrace recorded in windows (-trace_for_instrs with -retrace_every_instrs)',
        found:
          met.size === 0
            ? 'none'
            : `windows ${[...met]
                .sort((a, b) => a - b)
                .slice(0, 20)
                .join(', ')}`,
        mend: met.size === 0 ? 'Choose a region with --skip, --warmup and --limit.' : 'Name one of these.',
      });
    },
  };
}
