import { createRegistry, type Registry } from '../../machine/registry.ts';
import { iperf3 } from './iperf3.ts';
import { mediastream } from './mediastream.ts';
import { nvme } from './nvme.ts';
import { websearch } from './websearch.ts';
import type { IoWorkload } from './workload.ts';

export const ioWorkloads: Registry<IoWorkload> = createRegistry<IoWorkload>('I/O workload', [
  iperf3,
  mediastream,
  nvme,
  websearch,
]);
