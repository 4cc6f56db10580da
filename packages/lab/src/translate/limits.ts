/** What the two modes leave out, for the report; the README of each part says more. */
export const notModelled: Readonly<Record<'correct' | 'compat', readonly string[]>> = {
  correct: [
    'Time: cycles are sums of latencies of references that wait for each other. Nothing overlaps with other work, walkers do not run side by side, and there is no bandwidth.',
    'The instructions between accesses, speculation and wrong-path walks, simultaneous multithreading, NUMA, coherence traffic and write-backs.',
    'Accessed and dirty bits, page faults as work (they are counted, not timed), and kernel accesses that a user-mode trace does not hold.',
    'Page sizes and fragmentation follow the operating-system model or the imported tables, not the system that the trace came from.',
  ],
  compat: [
    'Everything but a radix walk: the other designs are closed forms over where its references hit, as in the original.',
    'Nested virtualization: the nested formulas are applied to a virtualized run. Huge pages: the last level is dropped from 4 KiB walks.',
    'Named quirks Q1 to Q10 of the original are on unless switched off; they weaken the baseline.',
  ],
};
