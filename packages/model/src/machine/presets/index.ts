import { createRegistry } from '../registry.ts';
import { amdServer } from './amd-server.ts';
import { artifact } from './artifact.ts';
import { intelServer } from './intel-server.ts';
import type { MachinePreset } from './preset.ts';

export type { MachinePreset } from './preset.ts';

export const machines = createRegistry<MachinePreset>('machine', [artifact, intelServer, amdServer]);
