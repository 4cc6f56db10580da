import { choice, flag, integer } from '../../../machine/fields.ts';
import { defineQueueWorkload } from './queue-workload.ts';

/** Of an Ethernet frame that TCP over IPv4 fills: what a driver splits off. */
const headerBytes = 66;
const shortest = 64;
/** Simple IMIX: 7 packets of 64 bytes to 4 of 594 to 1 of 1518. */
const imix = [64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518];

export const nic = defineQueueWorkload({
  name: 'nic',
  summary:
    'a network card with several receive rings per tenant: descriptors, buffers of an MTU, completions, acknowledgements',
  source: "rings as of Intel's and Mellanox's drivers; IMIX: Agilent, 2001; ring and MTU of specs/io.md 4.2",
  spec: {
    mtu: integer(4096, 'largest packet, and bytes of a buffer', {
      min: 64,
      max: 65_536,
      unit: 'bytes',
      source: 'specs/io.md 4.2',
    }),
    sizes: choice(['mtu', 'imix', 'least'], 'mtu', 'packets of the MTU; the simple Internet mix; 64 bytes'),
    ring: integer(256, 'descriptors of a ring', {
      min: 1,
      max: 16_384,
      unit: 'descriptors',
      source: 'specs/io.md 4.2',
    }),
    split: flag(false, 'headers go to a buffer of their own'),
    acks: integer(0, 'packets per acknowledgement sent back; 0 = none', { max: 1e6, unit: 'packets' }),
    fetch: integer(8, 'descriptors that the card reads at a time', {
      min: 1,
      max: 64,
      unit: 'descriptors',
      source: 'assumption',
    }),
  },
  shape: ({ mtu, ring, fetch, acks }, queues) => ({
    queues: acks > 0 ? 2 * queues : queues,
    receiveQueues: queues,
    slots: ring,
    bufferBytes: mtu,
    descriptorsPerRead: fetch,
    descriptorBytes: 16,
    completionBytes: 64,
    hasPageLists: false,
  }),
  packet(out, { mtu, sizes, split, acks }, sent, random) {
    out.bytes = sizes === 'mtu' ? mtu : sizes === 'least' ? shortest : Math.min(mtu, imix[random.below(imix.length)]!);
    out.headerBytes = split ? Math.min(headerBytes, out.bytes) : 0;
    out.replyBytes = acks > 0 && sent % acks === acks - 1 ? headerBytes : 0;
  },
});
