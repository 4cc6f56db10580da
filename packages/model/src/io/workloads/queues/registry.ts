import { createRegistry, type Registry } from '../../../machine/registry.ts';
import { nic } from './nic.ts';
import { nvmeQueues } from './nvme-queues.ts';
import type { QueueWorkload } from './queue-workload.ts';

export const queueWorkloads: Registry<QueueWorkload> = createRegistry<QueueWorkload>('workload of queues', [
  nic,
  nvmeQueues,
]);
