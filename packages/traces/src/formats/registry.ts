import { createRegistry, type Registry } from '@strata/model/machine';
import { champsim, champsimCloudsuite } from './champsim.ts';
import { csv } from './csv.ts';
import { din } from './din.ts';
import { dmtNative, dmtVirt, drmemtrace } from './drmemtrace.ts';
import type { TraceFormat } from './format.ts';
import { lackey } from './lackey.ts';
import { native } from './native.ts';
import { pinatrace } from './pinatrace.ts';
import { qemuSystem, qemuUser } from './qemu-plugin.ts';
import { dramTrace, ramulatorLoadStore, ramulatorReadWrite, simpleO3 } from './ramulator.ts';

/** Every trace format that can be read. Adding one is adding its file and its line here. */
export const formats: Registry<TraceFormat> = createRegistry<TraceFormat>('trace format', [
  native,
  drmemtrace,
  dmtNative,
  dmtVirt,
  champsim,
  champsimCloudsuite,
  lackey,
  din,
  pinatrace,
  ramulatorLoadStore,
  ramulatorReadWrite,
  simpleO3,
  dramTrace,
  csv,
  qemuUser,
  qemuSystem,
]);
