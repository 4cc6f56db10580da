import { type Frame, linesPerPage } from '../machine/address.ts';
import type { CacheHierarchy } from '../machine/cache-hierarchy.ts';
import { type WalkMemory, Where } from './design.ts';

/** Answers that a reference can have: memory, L1, L2, LLC. */
const answersPerStep = 4;

/** The walk memory of one design: reads through that design's own caches, pays and counts. */
export class CountedMemory implements WalkMemory {
  /** The core that walks. */
  core = 0;
  /** Of the walk so far. */
  cycles = 0;
  /** Since counting began. */
  references = 0;
  probes = 0;
  /** By `step * answersPerStep + where`. */
  stepCounts = new Float64Array(64 * answersPerStep);

  private readonly walk: CacheHierarchy['walk'];
  /** By where. */
  private readonly latencies: Float64Array;
  protected readonly labels: string[] = [];
  private readonly numbers = new Map<string, number>();

  constructor({ walk }: Pick<CacheHierarchy, 'walk'>, latencyCycles: ArrayLike<number>) {
    this.walk = walk;
    this.latencies = Float64Array.from(latencyCycles);
  }

  begin(core: number): void {
    this.core = core;
    this.cycles = 0;
  }

  read(frame: Frame, byteOffset: number, step: number): number {
    const latency = this.latencies[this.answer(frame, byteOffset, step)]!;
    this.references++;
    this.cycles += latency;
    return latency;
  }

  probe(frame: Frame, byteOffset: number, step: number): number {
    this.probes++;
    return this.latencies[this.answer(frame, byteOffset, step)]!;
  }

  wait(cycles: number): void {
    this.cycles += cycles;
  }

  /** Asks the caches, and counts. */
  protected answer(frame: Frame, byteOffset: number, step: number): number {
    const where = this.walk(this.core, frame * linesPerPage + (byteOffset >>> 6));
    this.stepCounts[step * answersPerStep + where]!++;
    return where;
  }

  /** Number of the step with that label; asking again gives the same. */
  step(label: string): number {
    const known = this.numbers.get(label);
    if (known !== undefined) return known;
    const number = this.labels.length;
    this.labels.push(label);
    this.numbers.set(label, number);
    if (this.labels.length * answersPerStep > this.stepCounts.length) {
      const grown = new Float64Array(this.stepCounts.length * 2);
      grown.set(this.stepCounts);
      this.stepCounts = grown;
    }
    return number;
  }

  /** Counts by label, in the order in which steps first occurred. */
  steps(): { label: string; references: number; memory: number; l1: number; l2: number; llc: number }[] {
    return this.labels.map((label, step) => {
      const counts = this.stepCounts.subarray(step * answersPerStep, (step + 1) * answersPerStep);
      return {
        label,
        references: counts.reduce((sum, count) => sum + count, 0),
        memory: counts[Where.memory]!,
        l1: counts[Where.l1]!,
        l2: counts[Where.l2]!,
        llc: counts[Where.llc]!,
      };
    });
  }

  resetCounts(): void {
    this.references = 0;
    this.probes = 0;
    this.stepCounts.fill(0);
  }
}

/** What a reference was answered, for explanations. */
export interface Answer {
  readonly label: string;
  readonly frame: Frame;
  readonly byteOffset: number;
  readonly where: number;
  readonly cycles: number;
  readonly awaited: boolean;
}

/** The same, and remembers every answer since `answers` was last emptied. */
export class RecordingMemory extends CountedMemory {
  answers: Answer[] = [];
  private lastWhere = 0;

  override read(frame: Frame, byteOffset: number, step: number): number {
    const cycles = super.read(frame, byteOffset, step);
    this.record(frame, byteOffset, step, cycles, true);
    return cycles;
  }

  override probe(frame: Frame, byteOffset: number, step: number): number {
    const cycles = super.probe(frame, byteOffset, step);
    this.record(frame, byteOffset, step, cycles, false);
    return cycles;
  }

  protected override answer(frame: Frame, byteOffset: number, step: number): number {
    this.lastWhere = super.answer(frame, byteOffset, step);
    return this.lastWhere;
  }

  private record(frame: Frame, byteOffset: number, step: number, cycles: number, awaited: boolean): void {
    this.answers.push({ label: this.labels[step]!, frame, byteOffset, where: this.lastWhere, cycles, awaited });
  }
}
