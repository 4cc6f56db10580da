import type { Command } from 'commander';
import { registerCalibrate } from '../nest/calibrate.ts';
import { registerCost } from '../nest/cost.ts';
import { registerExperiment } from '../nest/experiment.ts';
import { registerImport } from '../nest/import.ts';
import { registerPredict } from '../nest/predict.ts';
import { registerProfiles } from '../nest/profiles.ts';
import { registerSimulate } from '../nest/simulate.ts';
import { registerValidate } from '../nest/validate.ts';

/** `strata nest`: the price of VM exits at depth. */
export function register(command: Command): void {
  registerCost(command);
  registerImport(command);
  registerPredict(command);
  registerCalibrate(command);
  registerExperiment(command);
  registerSimulate(command);
  registerValidate(command);
  registerProfiles(command);
}
