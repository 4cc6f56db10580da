import { group, integer, real, type ValuesOf } from '../machine/fields.ts';

const rate = (summary: string) => real(0, summary, { min: 0, max: 500_000, unit: 'per million accesses' });

/** Names of the fields that are rates. */
export const activityKinds = ['unmaps', 'migrations', 'splits', 'khugepagedScans', 'forks', 'contextSwitches'] as const;
export type ActivityKind = (typeof activityKinds)[number];

/**
 * What the operating systems do while the trace runs, as rates; every rate is 0 unless given, and then nothing is done or paid for.
 * Events come at random times around their mean distance, drawn from the study's seed, and hit pages that the trace uses.
 */
export const activityFields = group(
  {
    unmaps: rate('ranges of the process that are unmapped; the trace faults its pages in again'),
    unmapPages: integer(16, 'pages that one unmap removes, aligned to their number', { min: 1, unit: 'pages' }),
    migrations: rate('pages moved to another frame, by the process’s operating system or, as often, by a hypervisor'),
    splits: rate('huge pages split, by the process’s operating system or, as often, by a hypervisor'),
    khugepagedScans: rate('scans that collapse 4 KiB pages to 2 MiB, whatever the page policy'),
    forks: rate(
      'forks of the running process; the child ends at its next fork, and who stores to a shared page meanwhile gets a copy',
    ),
    childStores: real(0.5, 'share of the pages that a fork has left to two processes which the child stores to first', {
      min: 0,
      max: 1,
    }),
    contextSwitches: rate('switches to the next process'),
    processes: integer(2, 'copies of each process of the trace that take turns at context switches', {
      min: 1,
      max: 64,
    }),
  },
  'what operating systems do while the trace runs',
);

export type ActivityConfig = ValuesOf<{ activity: typeof activityFields }>['activity'];

export function isActive(activity: ActivityConfig): boolean {
  return activityKinds.some((kind) => activity[kind] > 0);
}
