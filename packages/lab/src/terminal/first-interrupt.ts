/**
 * Ctrl-C while the command loads and after its work: the process ends at once, with the exit code of an interrupted command rather than by the
 * signal. Imports nothing, so that it is in place before anything else is loaded.
 */

const signals = ['SIGINT', 'SIGTERM'] as const;

/** What an interrupted command ends with. */
export const interruptedExitCode = 130;

function endAtOnce(): void {
  process.exit(interruptedExitCode);
}

/** Lets an interrupt end the process. */
export function endAtInterrupt(): void {
  for (const signal of signals) process.on(signal, endAtOnce);
}

/** Leaves interrupts to others. Returns whether they ended the process until now. */
export function leaveInterrupts(): boolean {
  const was = process.listeners(signals[0]).includes(endAtOnce);
  for (const signal of signals) process.off(signal, endAtOnce);
  return was;
}
