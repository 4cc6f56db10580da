import type { Command } from 'commander';
import { registerAdvise } from '../far/advise.ts';
import { registerAgent } from '../far/agent.ts';
import { registerBench } from '../far/bench.ts';
import { registerModel } from '../far/model.ts';
import { registerTop } from '../far/top.ts';

/** `strata far`: far memory, objects on other machines or processes. */
export function register(command: Command): void {
  registerAgent(command);
  registerModel(command);
  registerAdvise(command);
  registerBench(command);
  registerTop(command);
}
