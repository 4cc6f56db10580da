/** Threads on cores: a new thread gets the core with the fewest live threads, the lowest number on a tie (drcachesim's rule). */
export interface CoreAssignment {
  /** The core of a thread, which runs there from now on. */
  coreOf(thread: number): number;
  /** The thread is gone: its core is one lighter. */
  exit(thread: number): void;
  /** Different threads since the start. */
  readonly threads: number;
  /** Times that a core went on with another thread than before. */
  readonly contextSwitches: number;
  /** Counts switches from 0 again; who runs where stays. */
  resetCounts(): void;
}

const unseen = -1;
const gone = -2;

export function assignCores(cores: number): CoreAssignment {
  const coreOfThread = new Int32Array(65_536).fill(unseen);
  const load = new Array<number>(cores).fill(0);
  /** The thread that each core ran last. */
  const running = new Int32Array(cores).fill(unseen);
  let threads = 0;
  let contextSwitches = 0;
  let lastThread = unseen;
  let lastCore = 0;

  function place(thread: number): number {
    if (coreOfThread[thread]! === unseen) threads++;
    const core = load.indexOf(Math.min(...load));
    load[core]!++;
    coreOfThread[thread] = core;
    return core;
  }

  function turnTo(thread: number): number {
    const known = coreOfThread[thread]!;
    const core = known >= 0 ? known : place(thread);
    if (running[core] !== thread && running[core] !== unseen) contextSwitches++;
    running[core] = thread;
    lastThread = thread;
    lastCore = core;
    return core;
  }

  return {
    // A trace goes on with the same thread for long.
    coreOf: (thread) => (thread === lastThread ? lastCore : turnTo(thread)),
    exit(thread) {
      const core = coreOfThread[thread]!;
      if (core < 0) return;
      load[core]!--;
      coreOfThread[thread] = gone;
      lastThread = unseen;
    },
    get threads() {
      return threads;
    },
    get contextSwitches() {
      return contextSwitches;
    },
    resetCounts() {
      contextSwitches = 0;
    },
  };
}
