import { StrataError } from '../machine/index.ts';
import { HostView } from './host-view.ts';
import { createExclusive, type HugeFrameState, type LLFree, type LLFreeOptions } from './llfree.ts';

/** One recorded operation of an allocator and what came out. Host operations concern whole huge frames. */
export interface RecordedOperation {
  readonly line: number;
  readonly operation: 'get' | 'put' | 'reclaim_soft' | 'reclaim_hard' | 'return' | 'install';
  /** 0 for host operations. */
  readonly core: number;
  readonly order: number;
  readonly movable: boolean;
  /** What put, return and install are given. */
  readonly frame: number;
  readonly fails: boolean;
  /** What get and reclaim gave. */
  readonly result: number;
  /** What else get and reclaim gave: the evicted mark (ae) or the class of the tree (head); undefined where the recording has no such column. */
  readonly detail: number | undefined;
}

/** What a recording says of the end; what it does not say is undefined. */
export interface RecordedState {
  readonly line: number;
  readonly freeFrames?: number;
  readonly freeHugeFrames?: number;
  readonly hugeFrames?: readonly HugeFrameState[];
  /** What the host holds of each huge frame: 0 installed, 1 soft-reclaimed, 2 hard-reclaimed. */
  readonly hostStates?: readonly number[];
}

export interface Mismatch {
  readonly line: number;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

export interface VectorReplay {
  readonly allocator: LLFree;
  /** Does the operation and compares; it goes on after a mismatch as if the allocation were where the recording has it. */
  apply(operation: RecordedOperation): Mismatch | undefined;
  compare(state: RecordedState): Mismatch | undefined;
}

const installed = 0;
const soft = 1;
const hard = 2;

/** Replays a recording of an allocator, operation by operation, against a fresh one. @throws StrataError for options out of range */
export function createVectorReplay(options: LLFreeOptions): VectorReplay {
  const allocator = createExclusive(options);
  const hostStates = new Uint8Array(Math.ceil(options.frames / 512));
  let host: HostView | undefined;
  const theHost = () => {
    host ??= new HostView(allocator.memory);
    return host;
  };

  function outcome(op: RecordedOperation): string {
    switch (op.operation) {
      case 'get':
        return got(op, allocator.get(op.core, op.order, op.movable));
      case 'put':
        return attempt(() => allocator.put(op.core, op.frame, op.order, op.movable));
      case 'install':
        return attempt(() => {
          theHost().install(op.frame);
          hostStates[op.frame >> 9] = installed;
        });
      case 'return':
        return attempt(() => {
          theHost().returnFrame(op.frame);
          hostStates[op.frame >> 9] = soft;
        });
      default:
        return reclaim(op);
    }
  }

  function got(op: RecordedOperation, frame: number): string {
    if (frame < 0) return failed;
    const detail = options.version === 'ae' ? Number(allocator.needsInstall(frame, op.order)) : allocator.kindOf(frame);
    return success(frame, op.detail === undefined ? undefined : detail);
  }

  function reclaim(op: RecordedOperation): string {
    const isHard = op.operation === 'reclaim_hard';
    const found = isHard ? theHost().reclaimHard() : theHost().reclaimSoft();
    if (!found) return failed;
    hostStates[found.frame >> 9] = isHard ? hard : soft;
    return success(found.frame, op.detail === undefined ? undefined : Number(found.wasEvicted));
  }

  return {
    allocator,
    apply(op) {
      const hasResult = op.operation === 'get' || op.operation.startsWith('reclaim');
      const expected = op.fails ? failed : hasResult ? success(op.result, op.detail) : done;
      const found = outcome(op);
      if (found === expected) return undefined;
      return { line: op.line, what: op.operation, expected, found };
    },
    compare(state) {
      const differences = [
        difference('free frames at the end', state.freeFrames, allocator.freeFrames()),
        difference('free huge frames at the end', state.freeHugeFrames, allocator.freeHugeFrames()),
        listDifference(
          'huge frame',
          state.hugeFrames?.map(stateText),
          (index) => stateText(allocator.hugeFrame(index)),
          hostStates.length,
        ),
        listDifference(
          'host state of huge frame',
          state.hostStates?.map(String),
          (index) => String(hostStates[index]),
          hostStates.length,
        ),
      ];
      const first = differences.find((found) => found !== undefined);
      return first && { line: state.line, ...first };
    },
  };
}

const failed = 'failure';
const done = 'done';

function success(frame: number, detail: number | undefined): string {
  return detail === undefined ? `frame ${frame}` : `frame ${frame}, ${detail}`;
}

function attempt(operation: () => void): string {
  try {
    operation();
    return done;
  } catch (error) {
    if (error instanceof StrataError && error.code !== 'llfree.reclaim') return failed;
    throw error;
  }
}

type Difference = Omit<Mismatch, 'line'>;

function difference(what: string, expected: number | undefined, found: number): Difference | undefined {
  if (expected === undefined || expected === found) return undefined;
  return { what, expected: String(expected), found: String(found) };
}

function listDifference(
  what: string,
  expected: readonly string[] | undefined,
  found: (index: number) => string,
  length: number,
): Difference | undefined {
  if (expected === undefined) return undefined;
  if (expected.length !== length)
    return { what: `number of ${what}s`, expected: String(expected.length), found: String(length) };
  const index = expected.findIndex((text, i) => text !== found(i));
  return index < 0 ? undefined : { what: `${what} ${index}`, expected: expected[index] as string, found: found(index) };
}

function stateText({ free, huge, evicted }: HugeFrameState): string {
  return `${free} free${huge ? ', huge' : ''}${evicted ? ', evicted' : ''}`;
}
