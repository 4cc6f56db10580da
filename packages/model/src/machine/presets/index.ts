import { createRegistry } from '../registry.ts';
import { artifact } from './artifact.ts';
import type { MachinePreset } from './preset.ts';

export type { MachinePreset } from './preset.ts';

export const machines = createRegistry<MachinePreset>('machine', [artifact]);
