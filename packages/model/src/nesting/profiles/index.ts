import { createRegistry, type Registry } from '../../machine/registry.ts';
import type { Profile } from '../profile.ts';
import { dvhPaper } from './dvh-paper.ts';
import {
  amdSvm,
  amdSvmFeatures,
  apicv,
  armNeve,
  armNv,
  armNvVhe,
  dvhPaperPosthoc,
  emulatedShadowing,
  enlightenedVmcs,
  memoryVmcs,
  noShadowing,
  pvm,
  svt,
  turtles,
} from './variants.ts';

/** Adding a profile: one constant and one line here; a user's own needs neither (`--profile-file`). */
export const profiles: Registry<Profile> = createRegistry('profile', [
  dvhPaper,
  dvhPaperPosthoc,
  noShadowing,
  emulatedShadowing,
  enlightenedVmcs,
  memoryVmcs,
  amdSvm,
  amdSvmFeatures,
  apicv,
  svt,
  pvm,
  armNv,
  armNvVhe,
  armNeve,
  turtles,
]);
