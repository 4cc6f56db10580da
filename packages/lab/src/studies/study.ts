import type { ClaimVerdict } from '../claims/verdict.ts';
import type { Figure } from '../figures/figure.ts';
import type { Progress } from '../terminal/progress.ts';
import type { Table } from '../terminal/table.ts';

/** What a study may use while it runs. */
export interface StudyContext {
  /** Aborted at the first Ctrl-C: finish the block and return what is complete, with `interrupted: true`. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Worker threads that the study may use; the result is the same for any number. */
  readonly workers: number;
  /** Warnings and notes for stderr and for log.txt of the run folder. */
  note(text: string): void;
}

/** By name of a design or policy. */
export type Assumptions = Readonly<Record<string, readonly string[]>>;

/** What a study comes back with. */
export interface Outcome {
  /** Goes to stats.json: deterministic, no time stamps, no paths of this machine. Also the JSON document of the command. */
  readonly stats: Readonly<Record<string, unknown>>;
  /** What a person reads before the tables. */
  readonly headline?: string;
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  readonly claims: readonly ClaimVerdict[];
  /** What a reader must know before trusting the figures: filtered traces, guessed units, what is not modelled. */
  readonly warnings: readonly string[];
  /** What the simulators used do not model, for the report. */
  readonly notModelled: readonly string[];
  /** What stands behind the figures of each design or policy that no publication says, a sentence each, for the report. */
  readonly assumptions?: Assumptions;
  readonly interrupted: boolean;
}

export interface StudyInput {
  /** `trace`, `tables`, `hostTables`, `perf`. */
  readonly role: string;
  readonly path: string;
}

/** A kind of run that a manifest can name and repeat. Adding one is one file and one line in `studies/index.ts`. */
export interface Study {
  readonly name: string;
  readonly summary: string;
  /** Loads what resolving needs: designs of a plugin. */
  prepare?(configuration: unknown): Promise<void>;
  /** Fills in every default. @throws StrataError `config.*` */
  resolve(configuration: unknown): Readonly<Record<string, unknown>>;
  /** The files that a resolved configuration reads. */
  inputs(configuration: Readonly<Record<string, unknown>>): readonly StudyInput[];
  /** Deterministic in configuration and inputs. */
  execute(configuration: Readonly<Record<string, unknown>>, context: StudyContext): Promise<Outcome>;
}
