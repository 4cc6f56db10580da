import { formatBytes, formatCount, formatDuration } from './quantities.ts';

/** Where the work stands. */
export interface ProgressState {
  /** Units done so far. */
  readonly done: number;
  /** Units in all, when known. */
  readonly total?: number | undefined;
  /** Share done, 0 to 1, where the total is not known in units (bytes of a compressed trace). */
  readonly share?: number | undefined;
  /** What is going on instead of the line's label: `skipping`. */
  readonly label?: string;
  /** What is counted meanwhile instead of the line's unit. */
  readonly unit?: string;
}

export interface Progress {
  /** Cheap enough to call once per block. */
  update(state: ProgressState): void;
  /** A line of its own for the reader of the terminal or the log. */
  note(text: string): void;
  /** Removes the line. */
  end(): void;
}

/** What a progress line needs of stderr. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressOptions {
  /** What is going on: `simulating`. */
  readonly label: string;
  /** What is counted: `accesses`. */
  readonly unit: string;
  /** Draw the line even when stderr is no terminal (`--progress`). */
  readonly always?: boolean;
  /** Say nothing at all. */
  readonly quiet?: boolean;
  readonly stream?: ProgressStream;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

const redrawMilliseconds = 250;
const sparseMilliseconds = 10_000;

/**
 * One line on stderr: done/total, rate, remaining time, memory; redrawn four times a second on a terminal. Elsewhere a line every ten seconds,
 * so that a log of a long run says where it is and a short run says nothing.
 */
export function createProgress(options: ProgressOptions): Progress {
  const { label, unit, quiet = false, now = () => performance.now() } = options;
  const stream: ProgressStream = options.stream ?? process.stderr;
  const live = !quiet && (stream.isTTY === true || options.always === true);
  const interval = live ? redrawMilliseconds : sparseMilliseconds;
  let start = now();
  let last = start;
  let before = 0;
  let begun = false;
  let drawn = false;

  function clear(): void {
    if (drawn) stream.write('\r\x1b[K');
    drawn = false;
  }

  return {
    update(state) {
      const time = now();
      // A study of several steps counts each from 0: rate and remaining time are the step's.
      if (state.done < before) start = time;
      before = state.done;
      // The first one is drawn at once: work has begun.
      const isFirst = live && !begun && state.done > 0;
      begun ||= state.done > 0;
      if (quiet || (!isFirst && time - last < interval)) return;
      last = time;
      const line = progressLine(state.label ?? label, state.unit ?? unit, state, (time - start) / 1000);
      if (!live) {
        stream.write(`${line}\n`);
        return;
      }
      const columns = stream.columns ?? 100;
      stream.write(`\r\x1b[K${line.slice(0, columns - 1)}`);
      drawn = true;
    },
    note(text) {
      clear();
      if (!quiet) stream.write(`${text}\n`);
    },
    end: clear,
  };
}

export function progressLine(label: string, unit: string, state: ProgressState, elapsedSeconds: number): string {
  const { done, total } = state;
  const share = state.share ?? (total !== undefined && total > 0 ? done / total : undefined);
  const parts = [`${label}: ${formatCount(done)}${total === undefined ? '' : ` of ${formatCount(total)}`} ${unit}`];
  if (share !== undefined) parts.push(`${Math.min(100, share * 100).toFixed(0)} %`);
  if (elapsedSeconds > 0) parts.push(`${formatCount(done / elapsedSeconds)}/s`);
  if (share !== undefined && share > 0.001)
    parts.push(`${formatDuration(Math.max(0, elapsedSeconds / share - elapsedSeconds))} left`);
  parts.push(formatBytes(process.memoryUsage.rss()));
  return parts.join(', ');
}
