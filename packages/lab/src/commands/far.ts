import type { Command } from 'commander';
import { registerAgent } from '../far/agent.ts';

/** `strata far`: far memory, objects on other machines or processes. */
export function register(command: Command): void {
  registerAgent(command);
}
