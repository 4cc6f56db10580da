import { createTranslationBlock, type TranslationBlock, translationRecordBytes } from '@strata/model/io';
import { StrataError } from '@strata/model/machine';

const wordsPerRecord = translationRecordBytes / 4;
const recordsPerBlock = 8192;
const translateType = 1;
const typeBytes = 4;

/**
 * The records of an `iotlb_trace.bin` (specs/io.md 1.6) from a stream of bytes cut anywhere. The block is reused.
 * @param where the file's name, for messages
 * @throws StrataError `io.trace-torn` (a last record that is not whole), `io.trace-record` (not such a file), `io.trace-empty`
 */
export async function* readTranslationRecords(
  bytes: AsyncIterable<Uint8Array>,
  where: string,
): AsyncIterableIterator<TranslationBlock> {
  const block = createTranslationBlock(recordsPerBlock);
  const buffer = new Uint8Array(recordsPerBlock * translationRecordBytes);
  const words = new Uint32Array(buffer.buffer);
  let filled = 0;
  let records = 0;
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, buffer.length - filled);
      buffer.set(chunk.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < buffer.length) break;
      decode(words, recordsPerBlock, block, records, where);
      records += recordsPerBlock;
      filled = 0;
      yield block;
    }
  }
  const whole = Math.floor(filled / translationRecordBytes);
  decode(words, whole, block, records, where);
  const rest = filled % translationRecordBytes;
  // Another format is told as such, whatever its length.
  if (rest >= typeBytes && words[whole * wordsPerRecord] !== translateType)
    throw notARecord(where, records + whole, words[whole * wordsPerRecord]!);
  if (rest !== 0)
    throw new StrataError({
      code: 'io.trace-torn',
      what: 'the last record is torn',
      where: `${where} record ${records + whole}`,
      expected: `${translationRecordBytes} bytes`,
      found: `${rest}`,
      mend: 'Build the trace again; its writer was probably stopped.',
    });
  if (records + whole === 0)
    throw new StrataError({
      code: 'io.trace-empty',
      what: 'the trace has no records',
      where,
      mend: 'Check that the log has translations of the tenants asked for.',
    });
  if (whole > 0) yield block;
}

function decode(words: Uint32Array, count: number, block: TranslationBlock, firstRecord: number, where: string): void {
  for (let record = 0, at = 0; record < count; record++, at += wordsPerRecord) {
    if (words[at] !== translateType || words[at + 7] !== 0 || words[at + 6]! > 5)
      throw notARecord(where, firstRecord + record, words[at]!);
    const ids = words[at + 1]!;
    const nextLo = words[at + 10]!;
    const nextHi = words[at + 11]!;
    block.sid[record] = ids & 0xffff;
    block.did[record] = ids >>> 16;
    block.iovaLo[record] = words[at + 2]!;
    block.iovaHi[record] = words[at + 3]!;
    block.maskLo[record] = words[at + 4]!;
    block.maskHi[record] = words[at + 5]!;
    block.level[record] = words[at + 6]!;
    block.entryLo[record] = words[at + 8]!;
    block.entryHi[record] = words[at + 9]!;
    block.nextAccess[record] = nextHi === 0xffffffff && nextLo === 0xffffffff ? Infinity : nextHi * 2 ** 32 + nextLo;
  }
  block.length = count;
}

function notARecord(where: string, record: number, type: number): StrataError {
  return new StrataError({
    code: 'io.trace-record',
    what: 'not a translation record',
    where: `${where} record ${record}`,
    expected: 'type 1 and a page level of at most 5',
    found: `type ${type}`,
    mend: 'Give the ..._iotlb_trace.bin file, not ..._cc_data.bin or ..._slpt_data.bin; of a log, `strata io build` makes one.',
  });
}
