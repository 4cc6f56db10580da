import type { Command } from 'commander';
import { registerLLFree } from '../elastic/llfree-replay.ts';

/** `strata elastic`: VMs that shrink and grow. */
export function register(command: Command): void {
  registerLLFree(command);
}
