import { type IoWorkload, kib4, mib2 } from './workload.ts';

const startUpPackets = 8;
const startUpBase = 0x3e000000;
const ringPage = 0x3f5b1000;
const mailboxPage = 0x3f9d4000;
const dataBase = 0x2c000000;
const dataPages = 32;
const packetsPerPage = 16;

/** All tenants have the same layout, as identical guests do: a ring page, a circle of huge data pages, a mailbox page. */
export const iperf3: IoWorkload = {
  name: 'iperf3',
  summary: 'bulk receive: a ring page, 32 data pages of 2 MiB in a circle with 16 packets each, a mailbox page',
  source: 'access pattern of the reference runs, specs/io.md 5',
  target(out, _tenant, packet, part) {
    out.level = 1;
    if (packet < startUpPackets) {
      out.iova = startUpBase + (packet * 3 + part) * kib4;
    } else if (part === 1) {
      const slot = packet - startUpPackets;
      out.level = 2;
      out.iova = dataBase + (Math.floor(slot / packetsPerPage) % dataPages) * mib2 + (slot % packetsPerPage) * kib4;
    } else {
      out.iova = part === 0 ? ringPage + (packet % 256) * 16 : mailboxPage;
    }
  },
};
