import { type IoWorkload, kib4, mib2 } from './workload.ts';

const ringPage = 0x3f5b1000;
const mailboxPage = 0x3f9d4000;
const hugeBase = 0x2c000000;
const hugePages = 24;
const smallBase = 0x38000000;
const smallPages = 40;
const hugePercent = 70;

export const websearch: IoWorkload = {
  name: 'websearch',
  summary: 'small requests: 70 % to one of 24 pages of 2 MiB, 30 % to one of 40 pages of 4 KiB, at random',
  source: 'the "mixed" profile of the reference runs, specs/io.md 5',
  target(out, _tenant, packet, part, random) {
    out.level = 1;
    if (part === 0) out.iova = ringPage + (packet % 256) * 16;
    else if (part === 2) out.iova = mailboxPage;
    else if (random % 100 < hugePercent) {
      out.level = 2;
      out.iova = hugeBase + ((random >>> 8) % hugePages) * mib2;
    } else {
      out.iova = smallBase + ((random >>> 8) % smallPages) * kib4;
    }
  },
};
