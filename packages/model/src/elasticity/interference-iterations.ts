/** Iterations of a load that come out alike. */
export interface IterationClass {
  /** Share of all iterations, 0 to 1. */
  readonly share: number;
  /** Relative to an iteration that nobody disturbs. */
  readonly bandwidth: number;
}

/**
 * Iterations of a load whose threads wait for each other while one of them takes turns with a worker, each for a whole turn: an iteration meets so
 * many of the worker's turns as it begins turns of its own, one more or less by chance. All together they have half of the bandwidth.
 * @param iteration length without the worker, in the unit of `turn`, above 0
 * @param turn above 0
 */
export function iterationsWhileSharing(iteration: number, turn: number): readonly IterationClass[] {
  const least = Math.floor(iteration / turn);
  const more = iteration / turn - least;
  const after = (waits: number) => iteration / (iteration + waits * turn);
  return [
    { share: 1 - more, bandwidth: after(least) },
    { share: more, bandwidth: after(least + 1) },
  ].filter(({ share }) => share > 0);
}
