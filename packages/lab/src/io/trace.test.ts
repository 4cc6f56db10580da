import { describe, expect, it } from 'vitest';
import { openIoInput, openTranslations } from './trace.ts';

const { signal } = new AbortController();

interface Opened {
  blocks(): AsyncIterable<{ readonly length: number }> | Iterable<{ readonly length: number }>;
  progress(): number | undefined;
}

/** Share said before the first block and after each, and how many records there were then. */
async function shares(opened: Opened): Promise<{ readonly share: number | undefined; readonly records: number }[]> {
  const said = [{ share: opened.progress(), records: 0 }];
  let records = 0;
  // What is said while a block is worked on is the share of those before it.
  for await (const { length } of opened.blocks()) {
    said.push({ share: opened.progress(), records });
    records += length;
  }
  said.push({ share: opened.progress(), records });
  return said;
}

describe('the share of a generated trace that has been taken', () => {
  it.each([
    ['gen:iperf3,tenants=64,packets=200', 64 * 200 * 3],
    ['gen:websearch,tenants=7,packets=333,order=rand', 7 * 333 * 3],
    ['gen:nvme,tenants=3,packets=50', 3 * 50 * 3],
    ['gen:mediastream,tenants=5,packets=100', 5 * 100 * 3],
    ['gen:nic,tenants=3,packets=5000,queues=2', undefined],
    ['gen:nvme-queues,tenants=2,packets=3000,arrivals=bursts', undefined],
  ])('goes from 0 to 1 by the records taken: %s', async (path, total) => {
    for (const open of total === undefined ? [openIoInput] : [openIoInput, openTranslations]) {
      const said = await shares(await open(path, { signal }));
      const records = said.at(-1)!.records;
      expect(records).toBeGreaterThan(0);
      if (total !== undefined) expect(records).toBe(total);
      for (const { share, records: taken } of said) expect(share).toBeCloseTo(taken / records, 12);
    }
  });
});
