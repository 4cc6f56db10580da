export const competitors = ['map', 'redis', 'lmdb'] as const;
export type Competitor = (typeof competitors)[number];

/** What a workload is told. */
export interface Bench {
  /** Power of two by which the data are smaller than the specification's scaled version. */
  readonly shrink: number;
  readonly requests: number;
  readonly against: ReadonlySet<Competitor>;
  readonly signal: AbortSignal;
  /** Tells what is measured next: each system of a workload is one step. */
  step(what: string): void;
  /** A finished figure: an interrupt later does not take it back. */
  record(row: BenchRow): void;
}

/** A workload, and how many steps it takes against some competitors. */
export interface Workload {
  readonly name: string;
  steps(against: ReadonlySet<Competitor>): number;
  run(bench: Bench): Promise<void>;
}

/** One figure, measured on this machine in this run. */
export interface BenchRow {
  readonly workload: string;
  readonly system: string;
  readonly measure: string;
  readonly unit: string;
  readonly value: number;
  /** Local memory as a share of the objects; null where it has no meaning. */
  readonly localShare: number | null;
  readonly missRatio: number | null;
  readonly inFlight: number;
}

export interface Target {
  readonly name: string;
  readonly measured: number;
  readonly target: string;
  readonly holds: boolean;
}

function figureFor(rows: readonly BenchRow[], workload: string, system: string, measure: string): number | undefined {
  return rows.find((row) => row.workload === workload && row.system === system && row.measure === measure)?.value;
}

/** The targets of specification A2.5b that the rows can answer for: ratios of the same run. */
export function targetsOf(rows: readonly BenchRow[]): Target[] {
  const ratio = (name: string, least: number, slow: number | undefined, fast: number | undefined): Target[] =>
    slow === undefined || fast === undefined
      ? []
      : [{ name, measured: slow / fast, target: `>= ${least}`, holds: slow / fast >= least }];
  const atMost = (name: string, most: number, value: number | undefined): Target[] =>
    value === undefined ? [] : [{ name, measured: value, target: `<= ${most}`, holds: value <= most }];
  const web = (system: string, measure: string) => figureFor(rows, 'web', system, measure);
  const micro = (system: string, measure: string) => figureFor(rows, 'micro', system, measure);
  const hit = micro('far', 'hit');
  const raw = micro('typed array', 'hit');
  const perSecond = micro('far', 'pipelined fetches');
  return [
    ...['request', 'request with AES'].flatMap((measure) => [
      ...ratio(`web, ${measure}: map / far 25 %`, 1.5, web('map', measure), web('far 25 %', measure)),
      ...ratio(
        `web, ${measure}: redis objects / far 25 %`,
        1.3,
        web('redis objects', measure),
        web('far 25 %', measure),
      ),
    ]),
    ...(hit === undefined || raw === undefined ? [] : atMost('hit / typed-array access', 2, hit / raw)),
    ...atMost('8 KiB miss over loopback, p50, us', 80, micro('far', 'miss p50')),
    ...(perSecond === undefined ? [] : ratio('pipelined 8 KiB fetches, k/s', 60, perSecond, 1)),
    ...atMost('4 M records, resident MB', 200, micro('far', 'resident of 4 M records')),
  ];
}

/** Gives the event loop a turn, so that an interrupt is seen by work that never waits. */
export async function turn(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
