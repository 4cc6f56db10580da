/** Threads on cores: a new thread gets the core with the fewest live threads, the lowest number on a tie (drcachesim's rule). */
export interface CoreAssignment {
  coreOf(thread: number): number;
  /** The thread is gone: its core is one lighter. */
  exit(thread: number): void;
  readonly threads: number;
}

const unseen = -1;
const gone = -2;

export function assignCores(cores: number): CoreAssignment {
  const coreOfThread = new Int32Array(65_536).fill(unseen);
  const load = new Array<number>(cores).fill(0);
  let threads = 0;
  return {
    coreOf(thread) {
      const known = coreOfThread[thread]!;
      if (known >= 0) return known;
      if (known === unseen) threads++;
      const core = load.indexOf(Math.min(...load));
      load[core]!++;
      coreOfThread[thread] = core;
      return core;
    },
    exit(thread) {
      const core = coreOfThread[thread]!;
      if (core < 0) return;
      load[core]!--;
      coreOfThread[thread] = gone;
    },
    get threads() {
      return threads;
    },
  };
}
