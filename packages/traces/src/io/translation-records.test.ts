import { describe, expect, it } from 'vitest';
import { readTranslationRecords } from './translation-records.ts';

const record = new Uint8Array(
  new Uint32Array([1, 1 << 16, 0x1000, 0, 0xfffff000, 0xffffffff, 1, 0, 3, 0, 0xffffffff, 0xffffffff]).buffer,
);

async function read(bytes: Uint8Array): Promise<number> {
  async function* chunks() {
    yield bytes;
  }
  let records = 0;
  for await (const block of readTranslationRecords(chunks(), 'x.bin')) records += block.length;
  return records;
}

function records(count: number): Uint8Array {
  return new Uint8Array(Array.from({ length: count }, () => [...record]).flat());
}

describe('records of translations', () => {
  it('cut anywhere is either whole or torn, with the record named', async () => {
    const bytes = records(3);
    for (let length = 1; length <= bytes.length; length++) {
      const whole = Math.floor(length / record.length);
      const reading = read(bytes.subarray(0, length));
      if (length % record.length === 0) expect(await reading).toBe(whole);
      else await expect(reading).rejects.toMatchObject({ code: 'io.trace-torn', where: `x.bin record ${whole}` });
    }
  });

  it('another format is told as such, however short', async () => {
    for (const length of [4, 19, 47, 48, 100]) {
      const text = new TextEncoder().encode('vtd_dmar_enable enable 1\n'.repeat(5)).subarray(0, length);
      await expect(read(text)).rejects.toMatchObject({ code: 'io.trace-record', where: 'x.bin record 0' });
    }
  });

  it('text behind whole records is told as such too', async () => {
    const bytes = new Uint8Array([...records(2), ...new TextEncoder().encode('end of file')]);
    await expect(read(bytes)).rejects.toMatchObject({ code: 'io.trace-record', where: 'x.bin record 2' });
  });
});
