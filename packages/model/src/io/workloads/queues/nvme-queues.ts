import { integer } from '../../../machine/fields.ts';
import { defineQueueWorkload } from './queue-workload.ts';

export const nvmeQueues = defineQueueWorkload({
  name: 'nvme-queues',
  summary:
    'a disk with several queue pairs per tenant: submission entry, list of pages (PRP), data pages, completion entry',
  source: 'NVM Express base specification 1.4, sections 4.1 to 4.3',
  spec: {
    block: integer(4096, 'bytes of a command', { min: 512, max: 1_048_576, unit: 'bytes' }),
    depth: integer(64, 'commands of a queue at a time', { min: 1, max: 16_384, unit: 'commands' }),
  },
  shape: ({ block, depth }, queues) => ({
    queues,
    receiveQueues: queues,
    slots: depth,
    bufferBytes: block,
    descriptorsPerRead: 1,
    descriptorBytes: 64,
    completionBytes: 16,
    hasPageLists: true,
  }),
  packet(out, { block }) {
    out.bytes = block;
    out.headerBytes = 0;
    out.replyBytes = 0;
  },
});
