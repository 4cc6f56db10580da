import { type IoWorkload, kib4, mib2 } from './workload.ts';

const ringPage = 0x3f5b1000;
const completionPage = 0x3f9d4000;
const fileBase = 0x10000000;
const filePages = 128;
const packetsPerChunk = 44;

/** Long sequential reads of files at places of the tenant's own: each chunk of 64 KiB lies anywhere in 256 MiB. */
export const mediastream: IoWorkload = {
  name: 'mediastream',
  summary: 'video streaming: chunks of 64 KiB from anywhere in 256 MiB of 2 MiB pages',
  source: "a pattern of this laboratory's own after the benchmark's name; the original's logs were never published",
  target(out, tenant, packet, part) {
    out.level = 1;
    if (part === 0) out.iova = ringPage + (packet % 256) * 16;
    else if (part === 2) out.iova = completionPage + (packet % 128) * 32;
    else {
      const chunk = Math.floor(packet / packetsPerChunk);
      const page = (Math.imul(chunk + 1, 0x9e3779b1) ^ Math.imul(tenant + 1, 0x85ebca6b)) >>> 0;
      out.level = 2;
      out.iova = fileBase + (page % filePages) * mib2 + (packet % packetsPerChunk) * kib4;
    }
  },
};
