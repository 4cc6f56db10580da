import { createRegistry, type Registry } from '@strata/model/machine';
import { dmtNative, dmtVirt, drmemtrace } from './drmemtrace.ts';
import type { TraceFormat } from './format.ts';
import { qemuSystem, qemuUser } from './qemu-plugin.ts';

/** Every trace format that can be read. Adding one is adding its file and its line here. */
export const formats: Registry<TraceFormat> = createRegistry<TraceFormat>('trace format', [
  drmemtrace,
  dmtNative,
  dmtVirt,
  qemuUser,
  qemuSystem,
]);
