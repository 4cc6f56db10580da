import type { Command } from 'commander';
import { registerEvents } from '../elastic/events.ts';
import { registerExplain } from '../elastic/explain.ts';
import { registerFootprint } from '../elastic/footprint.ts';
import { registerImpact } from '../elastic/impact.ts';
import { registerInterference } from '../elastic/interference.ts';
import { registerLLFree } from '../elastic/llfree-replay.ts';
import { registerPack } from '../elastic/pack.ts';
import { registerResize } from '../elastic/resize.ts';
import { registerTechniques } from '../elastic/techniques.ts';

/** `strata elastic`: how VMs shrink and grow, and what of the host they occupy. */
export function register(command: Command): void {
  registerResize(command);
  registerExplain(command);
  registerEvents(command);
  registerImpact(command);
  registerFootprint(command);
  registerPack(command);
  registerInterference(command);
  registerTechniques(command);
  registerLLFree(command);
}
