/** Milliseconds of work at a stretch: short enough for Ctrl-C and a progress line, too long for the turns to cost anything. */
const stretchMilliseconds = 20;

/**
 * What every loop over blocks awaits once per block, skipped ones included. A loop that never waits for input, such as a generator's, runs on
 * microtasks alone: no signal, timer or message would be seen until its end. So every 20 ms this waits for a turn of the event loop.
 * It throws the signal's reason once that is aborted.
 */
export function createTurns(signal?: AbortSignal): () => Promise<void> {
  let last = performance.now();
  return async () => {
    signal?.throwIfAborted();
    if (performance.now() - last < stretchMilliseconds) return;
    await nextTurn();
    last = performance.now();
    signal?.throwIfAborted();
  };
}

/** The same blocks, with turns of the event loop between them. */
export async function* inTurns<T>(blocks: Iterable<T> | AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T> {
  const turn = createTurns(signal);
  for await (const block of blocks) {
    await turn();
    yield block;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') {
      setImmediate(resolve);
      return;
    }
    // Browsers: a timer would wait 4 ms each time.
    const { port1, port2 } = new MessageChannel();
    const onmessage = () => {
      port1.close();
      resolve();
    };
    // Assigned this way because the types of Node, which has the property too, leave it out.
    Object.assign(port1, { onmessage });
    port2.postMessage(undefined);
  });
}
