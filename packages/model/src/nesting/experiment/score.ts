/** The artifact's workloads (specification section 1.3). */
export interface Workload {
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly iterations: number;
  /** Lines before the figures in the files of one run. */
  readonly headerLines: number;
  readonly summary: string;
}

export const workloads: readonly Workload[] = [
  {
    name: 'mysql',
    unit: 's',
    better: 'lower',
    iterations: 10,
    headerLines: 2,
    summary: 'SysBench OLTP, 200 threads, remote client',
  },
  {
    name: 'hackbench',
    unit: 's',
    better: 'lower',
    iterations: 10,
    headerLines: 0,
    summary: '100 groups of processes, 500 loops',
  },
  {
    name: 'netperf-rr',
    unit: 'trans/s',
    better: 'higher',
    iterations: 40,
    headerLines: 1,
    summary: 'TCP_RR, 1 byte each way',
  },
  {
    name: 'netperf-stream',
    unit: 'Mbit/s',
    better: 'higher',
    iterations: 40,
    headerLines: 1,
    summary: 'TCP_STREAM to the server',
  },
  {
    name: 'netperf-maerts',
    unit: 'Mbit/s',
    better: 'higher',
    iterations: 40,
    headerLines: 1,
    summary: 'TCP_MAERTS from the server',
  },
  {
    name: 'apache',
    unit: 'requests/s',
    better: 'higher',
    iterations: 40,
    headerLines: 0,
    summary: 'ab -n 100000 -c 10',
  },
  {
    name: 'memcached',
    unit: 'ops/s',
    better: 'higher',
    iterations: 40,
    headerLines: 1,
    summary: 'memtier_benchmark, binary protocol',
  },
];

export function workloadNamed(name: string): Workload | undefined {
  return workloads.find(
    (workload) =>
      name === workload.name || name.startsWith(`${workload.name}-`) || name.startsWith(`${workload.name}.`),
  );
}

export interface Score {
  /** Mean of the iterations of each run. */
  readonly runMeans: readonly number[];
  /** The best of them: the artifact's score. */
  readonly best: number;
}

/** Averages the iterations of each run and takes the best run: largest for rates, smallest for times. Runs must not be empty. */
export function scoreRuns(runs: readonly (readonly number[])[], better: Workload['better']): Score {
  const runMeans = runs.map((run) => run.reduce((total, value) => total + value, 0) / run.length);
  return { runMeans, best: better === 'higher' ? Math.max(...runMeans) : Math.min(...runMeans) };
}

/** Relative to native, 1 being native and more being slower. */
export function overheadOf(native: number, measured: number, better: Workload['better']): number {
  return better === 'higher' ? native / measured : measured / native;
}
