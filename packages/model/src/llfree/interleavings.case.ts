import type { Words } from './words.ts';

/** What a virtual thread does, with the shared memory as the only thing it reads and writes. Its result must not depend on anything else. */
export type VirtualThread = (words: Words) => unknown;

class Paused extends Error {}
/** The thread waits for another one: this access brought nothing new, and is tried again from the state before it. */
class Spinning extends Error {}
const spinLoads = 3;

/** Gives a thread the values it has read so far, lets it make one access more, and stops it there. */
class OneMoreAccess implements Words {
  readonly length: number;
  private readonly memory: Int32Array;
  private readonly log: number[];
  private position = 0;
  private accesses = 0;
  private lastLoad = -1;
  private sameLoads = 0;

  constructor(memory: Int32Array, log: number[]) {
    this.memory = memory;
    this.log = log;
    this.length = memory.length;
  }

  load(index: number): number {
    const value = this.access(() => this.memory[index] as number);
    const same = index === this.lastLoad && value === this.log[this.position - 2];
    this.sameLoads = same ? this.sameLoads + 1 : 0;
    this.lastLoad = index;
    if (this.sameLoads > spinLoads) throw new Spinning();
    return value;
  }

  poll(index: number): number {
    return this.load(index);
  }

  store(index: number, value: number): void {
    this.lastLoad = -1;
    this.access(() => {
      this.memory[index] = value;
      return 0;
    });
  }

  replace(index: number, expected: number, next: number): boolean {
    this.lastLoad = -1;
    const found = this.access(() => {
      if (this.memory[index] !== expected) return 0;
      this.memory[index] = next;
      return 1;
    });
    return found === 1;
  }

  private access(perform: () => number): number {
    if (this.position < this.log.length) return this.log[this.position++] as number;
    if (this.accesses++ > 0) throw new Paused();
    const value = perform();
    this.log.push(value);
    this.position++;
    return value;
  }
}

interface State {
  readonly memory: Int32Array;
  /** What each thread has read; with the program this is all of its state. */
  readonly logs: readonly (readonly number[])[];
  readonly results: readonly unknown[];
}

/**
 * Runs every interleaving of the threads' memory accesses, each state once, and calls `check` at every end. Returns how many states and ends there were.
 */
export function everyInterleaving(
  memory: Int32Array,
  threads: readonly VirtualThread[],
  check: (memory: Int32Array, results: readonly unknown[]) => void,
): { states: number; ends: number } {
  const seen = new Set<string>();
  const pending: State[] = [{ memory, logs: threads.map(() => []), results: threads.map(() => undefined) }];
  let ends = 0;
  for (let state = pending.pop(); state; state = pending.pop()) {
    let running = 0;
    for (const [index, thread] of threads.entries()) {
      if (state.results[index] !== undefined) continue;
      running++;
      const next = advance(state, index, thread);
      if (!next) continue;
      const key = `${next.memory.join()}|${next.logs.map((log) => log.join()).join('|')}`;
      if (seen.has(key)) continue;
      seen.add(key);
      pending.push(next);
    }
    if (running > 0) continue;
    ends++;
    check(state.memory, state.results);
  }
  return { states: seen.size, ends };
}

function advance(state: State, index: number, thread: VirtualThread): State | undefined {
  const memory = state.memory.slice();
  const log = [...(state.logs[index] as readonly number[])];
  const results = [...state.results];
  try {
    results[index] = thread(new OneMoreAccess(memory, log)) ?? null;
  } catch (error) {
    if (error instanceof Spinning) return undefined;
    if (!(error instanceof Paused)) throw error;
  }
  return { memory, logs: state.logs.map((old, i) => (i === index ? log : old)), results };
}
