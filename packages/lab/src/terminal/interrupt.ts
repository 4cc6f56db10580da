import { endAtInterrupt, interruptedExitCode, leaveInterrupts } from './first-interrupt.ts';
import { removeTemporaries } from './temporaries.ts';

export { interruptedExitCode };

/** Thrown by work that stops at an interrupt with nothing to show; work that has something returns it and says so instead. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/**
 * Runs `work` under Ctrl-C (and SIGTERM): the first aborts the signal, so that the work finishes its block and writes what is complete, marked
 * as such; the second removes what is temporary and ends the process at once. Afterwards the exit code is 130. `whatNow` tells the user what
 * happens after the first.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  whatNow = 'finishing the block',
): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) {
      removeTemporaries();
      process.exit(interruptedExitCode);
    }
    process.stderr.write(`\nstrata: interrupted; ${whatNow} (again: end at once)\n`);
    controller.abort(new Interrupted());
  };
  const ended = leaveInterrupts();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    if (ended) endAtInterrupt();
    if (controller.signal.aborted) process.exitCode = interruptedExitCode;
  }
}

/** Whether an error is how work reports that it was interrupted. */
export function isInterruption(error: unknown): boolean {
  return error instanceof Interrupted || (error instanceof Error && error.name === 'AbortError');
}
