import { type IoWorkload, kib4 } from './workload.ts';

const queues = 4;
const submissionBase = 0x3f000000;
const completionBase = 0x3f100000;
const dataBase = 0x20000000;
const dataPages = 4096;

export const nvme: IoWorkload = {
  name: 'nvme',
  summary: 'random 4 KiB reads through four queues: submission entry, data page (PRP), completion entry',
  source: "a pattern of this laboratory's own after NVM Express base specification 1.4, sections 4.1 to 4.3",
  target(out, _tenant, packet, part, random) {
    const queue = packet % queues;
    out.level = 1;
    if (part === 0) out.iova = submissionBase + queue * kib4 + (Math.floor(packet / queues) % 64) * 64;
    else if (part === 2) out.iova = completionBase + queue * kib4 + (Math.floor(packet / queues) % 256) * 16;
    else out.iova = dataBase + (random % dataPages) * kib4;
  },
};
