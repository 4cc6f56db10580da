import type { AccessBlock } from '../machine/accesses.ts';
import type { AddressSpace } from '../machine/page-table.ts';
import type { Registry } from '../machine/registry.ts';
import type { TranslationConfig } from './config.ts';
import type { Design } from './design.ts';
import { designs as knownDesigns } from './designs/index.ts';
import type { TranslationResult } from './result.ts';

export interface SimulationProgress {
  /** Accesses fed so far, warm-up included. */
  readonly accesses: number;
  readonly walks: number;
  /** Whether counting has begun. */
  readonly counting: boolean;
}

export interface Simulation {
  /** Simulates the accesses of one block. The block may be reused afterwards; where blocks are split does not matter. */
  feed(block: AccessBlock): void;
  readonly progress: SimulationProgress;
  /** The result so far; feeding may go on afterwards. */
  finish(): TranslationResult;
}

/**
 * The address spaces below a process, from the process down (one, two or three by set-up). One list serves every process of the trace; a
 * function is asked once for each process, in order of first appearance.
 */
export type SpacesOfProcess = readonly AddressSpace[] | ((process: number) => readonly AddressSpace[]);

/**
 * A simulation in correct mode: deterministic, without input or output, resumable block by block.
 * @throws StrataError `translation.*`, `machine.*`
 */
export function createSimulation(
  config: TranslationConfig,
  spaces: SpacesOfProcess,
  registry: Registry<Design> = knownDesigns,
): Simulation {
  throw new Error(`not built yet: ${config.setup} ${typeof spaces} ${registry.names.join()}`);
}
