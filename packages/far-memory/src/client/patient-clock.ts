/**
 * Time in which answers could be taken, ms. While the program holds the event loop, or the machine runs others, they wait unread in the socket:
 * a step between two ticks counts for no more than `longestStep`, so that this does not pass for an agent that does not answer.
 */
export interface PatientClock {
  now(): number;
  /** To be called regularly by the event loop. */
  tick(): void;
}

export function createPatientClock(longestStep: number, wall: () => number = () => performance.now()): PatientClock {
  let time = 0;
  let ticked = wall();
  const now = () => time + Math.min(wall() - ticked, longestStep);
  return {
    now,
    tick() {
      time = now();
      ticked = wall();
    },
  };
}
