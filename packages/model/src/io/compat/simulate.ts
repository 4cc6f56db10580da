import { createInterpretedSimulation } from './interpreted.ts';
import { createKernelSimulation } from './kernel.ts';
import { type CompatIoConfig, type CompatIoSimulation, check } from './model.ts';
import type { CompatProbe } from './probe.ts';

export * from './model.ts';
export * from './probe.ts';

/**
 * The original's performance model, event by event: in WebAssembly, or interpreted where that is missing or forbidden, with the same result.
 * @throws StrataError where the original would divide by zero, crash or loop for ever: `io.*`, naming the setting and how to mend it
 */
export function createCompatSimulation(config: CompatIoConfig): CompatIoSimulation {
  check(config);
  return createKernelSimulation(config) ?? createInterpretedSimulation(config);
}

/** The same, watching one translation; slower. @throws StrataError as `createCompatSimulation` */
export function createWatchedCompatSimulation(config: CompatIoConfig, probe: CompatProbe): CompatIoSimulation {
  check(config);
  return createInterpretedSimulation(config, probe);
}
