import { readFileSync } from 'node:fs';
import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counts, imported, recorded } from './importing.case.ts';

describe('the reader of ring-buffer pages', () => {
  it('gives the same as from text', async () => {
    const formats = readFileSync(recorded('kvm-event-formats.txt'), 'utf8');
    const recording = await imported(ringBuffer(), { eventFormats: formats });
    expect([recording.format, recording.total, recording.lost]).toEqual(['ring-buffer', 3, 7]);
    expect(recording.reasons).toEqual(
      new Map([
        ['EPT_MISCONFIG', { count: 1, timeUs: 5 }],
        ['MSR_WRITE', { count: 1, timeUs: 2 }],
        ['npf', { count: 1 }],
      ]),
    );
    expect(Object.fromEntries(recording.kinds)).toEqual({ devnotify: 1, timer: 1, ept: 1 });
    await expect(imported(ringBuffer())).rejects.toThrow(/--event-formats/);
    await expect(imported(ringBuffer(), { eventFormats: 'name: kvm_entry\nID: 5\n' })).rejects.toThrow(
      /kvm_exit is missing/,
    );
  });
  it('names exits of arm64 by their exception class, and refuses a kvm_exit of another layout', async () => {
    const format = ([type, exceptionClass]: readonly [string, string]) =>
      `name: kvm_exit\nID: 1473\nformat:\n\tfield:int ${type};\toffset:8;\tsize:4;\tsigned:1;\n\tfield:unsigned int ${exceptionClass};\toffset:24;\tsize:4;\tsigned:0;\n\nprint fmt: "%s: HSR_EC: 0x%04x (%s), PC: 0x%016lx", __print_symbolic(REC->${type}, {0, "IRQ" }, {1, "SERROR" }, {2, "TRAP" }), REC->${exceptionClass}, __print_symbolic(REC->${exceptionClass}, { (0x00), "UNKNOWN" }, { ((0x01UL)), "WFx" }, { (0x16), "HVC64" }, { (0x24), "DABT_LOW" }), REC->vcpu_pc\n`;
    const exits = [
      [2, 0x24],
      [2, 0x01],
      [0, 0],
      [2, 0x16],
      [0x80000002, 0x24],
      [2, 0x3f],
    ] as const;
    for (const names of [['ret', 'esr_ec'] as const, ['idx', 'exit_reason'] as const]) {
      const recording = await imported(ringBuffer(exits), { eventFormats: format(names) });
      expect(counts(recording)).toEqual({ DABT_LOW: 2, WFx: 1, IRQ: 1, HVC64: 1, '0x3f': 1 });
    }
    const riscv = format(['ret', 'esr_ec']).replaceAll(/\b(ret|esr_ec);/g, 's$1;');
    await expect(imported(ringBuffer(exits), { eventFormats: riscv })).rejects.toThrow(/ret and esr_ec/);
  });
  it('leaves out damaged and cut-off ring-buffer pages, counts them and says so', async () => {
    const eventFormats = readFileSync(recorded('kvm-event-formats.txt'), 'utf8');
    const [whole, page] = [ringBuffer(), 4_096];
    const broken = Buffer.from(whole.subarray(0, page));
    broken.writeUInt32LE(4_081, 8);
    const middle = await imported(Buffer.concat([whole, broken, whole]), { eventFormats });
    expect([middle.total, middle.skipped, middle.warnings]).toEqual([
      6,
      1,
      ['1 of 5 ring-buffer pages are damaged or cut off and were skipped.'],
    ]);
    // A record that leaves its page: nothing of the page counts, not even what came before.
    const late = Buffer.from(whole.subarray(0, page));
    late.writeUInt32LE(28, page - 4);
    late.writeUInt32LE(100, 8);
    expect((await imported(Buffer.concat([late, whole]), { eventFormats })).total).toBe(3);
    for (const [bytes, total, skipped] of [
      [page + 10, 2, 1],
      [page + 40, 2, 1],
      [page + 84, 3, 0],
    ] as const) {
      const cut = await imported(whole.subarray(0, bytes), { eventFormats });
      expect([cut.total, cut.skipped, cut.warnings.length]).toEqual([total, skipped, skipped]);
    }
    await expect(imported(whole.subarray(0, 50), { eventFormats })).rejects.toThrow(/whole pages/);
    await expect(imported(broken, { eventFormats })).rejects.toThrow(/no ring-buffer page/);
  });
  it('survives ring-buffer pages with any byte damaged: a figure or a sentence', async () => {
    const formats = readFileSync(recorded('kvm-event-formats.txt'), 'utf8');
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.nat(255), async (at, value) => {
        const pages = ringBuffer();
        pages[at] = value;
        await imported(pages, { eventFormats: formats, format: 'ring-buffer' }).catch((error) =>
          expect(error).toBeInstanceOf(StrataError),
        );
      }),
      { numRuns: 150 },
    );
  });
});

/** Two pages as the kernel of the reference recording writes them: kvm_exit 1473, kvm_entry 1482, kvm_msr 1469. */
function ringBuffer(arm?: readonly (readonly [type: number, exceptionClass: number])[]): Buffer {
  const page = (time: number, missed: number, records: readonly (readonly [delta: number, bytes: Buffer])[]) => {
    const bytes = Buffer.alloc(4_096);
    let at = 16;
    for (const [delta, record] of records) {
      bytes.writeUInt32LE(((delta << 5) | (record.length / 4)) >>> 0, at);
      record.copy(bytes, at + 4);
      at += 4 + record.length;
    }
    bytes.writeUInt32LE(time, 0);
    bytes.writeUInt32LE(((at - 16) | (missed > 0 ? 0xc0000000 : 0)) >>> 0, 8);
    if (missed > 0) bytes.writeUInt32LE(missed, at);
    return bytes;
  };
  const record = (id: number, size: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(size);
    bytes.writeUInt16LE(id, 0);
    bytes.writeInt32LE(77, 4);
    write(bytes);
    return bytes;
  };
  const exit = (reason: number, isa: number) =>
    record(1473, 60, (bytes) => {
      bytes.writeUInt32LE(reason, 8);
      bytes.writeUInt32LE(isa, 24);
    });
  const entry = record(1482, 28, () => {});
  const msr = record(1469, 28, (bytes) => {
    bytes.writeUInt32LE(1, 8);
    bytes.writeUInt32LE(0x6e0, 12);
  });
  if (arm !== undefined)
    return page(
      1_000,
      0,
      arm.map(([type, exceptionClass]) => [10, exit(type, exceptionClass)]),
    );
  return Buffer.concat([
    page(1_000, 0, [
      [0, exit(49, 1)],
      [5_000, entry],
      [1_000, exit(32, 1)],
      [500, msr],
      [1_500, entry],
    ]),
    page(90_000, 7, [[0, exit(0x400, 2)]]),
  ]);
}
