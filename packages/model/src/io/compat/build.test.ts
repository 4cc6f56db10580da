import { describe, expect, it } from 'vitest';
import { TraceBuilder } from './build.ts';
import { buildQuirkNames, buildQuirks } from './identities.ts';
import { randomOrder, roundRobin } from './merge.ts';

const compat = () => new TraceBuilder(buildQuirks(buildQuirkNames));
const correct = () => new TraceBuilder(buildQuirks([]));

/** One translation of a 4 KiB page by the device in slot `slot` of bus 0. */
function translate(builder: TraceBuilder, slot: number, domain: number, iova = 0x1000): void {
  builder.pageUpdate(slot << 3, iova, 0, 3, 0, 1, domain);
}

function context(builder: TraceBuilder, slot: number, domain: number): void {
  builder.contextUpdate(0, slot << 3, (domain << 8) | 1, 0, 1, 0, 0);
}

const streams = (...lengths: number[]) => {
  let event = 0;
  return lengths.map((length) => Int32Array.from({ length }, () => event++));
};

describe('the merging of streams', () => {
  it('round robin finds a stream empty only when it wants an event: 6 and 12 events in turns of 3 give 15', () => {
    expect(roundRobin(streams(6, 12), 3, 18)).toHaveLength(15);
  });

  it('a partial last burst shifts the rest of its round', () => {
    expect([...roundRobin(streams(4, 6), 3, 10)]).toEqual([0, 1, 2, 4, 5, 6, 3, 7, 8, 9]);
  });

  it("random order draws tenants as the original's generator does", () => {
    const order = randomOrder(streams(30, 30, 30, 30), 3, 120);
    const tenants = [...order].filter((_, at) => at % 3 === 0).map((event) => Math.floor(event / 30));
    expect(tenants.join('')).toBe('3213132011232332020030312223320001101011');
  });
});

describe('the identities of devices and domains', () => {
  it('SIDs of the 17th device and the next log collide in the original, with the domains named (Q14)', () => {
    const built = [compat(), correct()].map((builder) => {
      for (let log = 0; log < 2; log++) {
        builder.beginLog(24);
        for (let device = 0; device < 24; device++) translate(builder, 2 + device, device + 1);
      }
      return builder.summary();
    });
    expect(built[0]!.sidCollisions).toHaveLength(8);
    expect(built[0]!.sidCollisions[0]).toEqual({ sid: 18 << 3, dids: [16, 24] });
    expect(built[1]).toMatchObject({ tenants: 48, sidCollisions: [] });
  });

  it('514 logs of one device wrap to 512 tenants in the original, and are 514 otherwise (Q15)', () => {
    const built = [compat(), correct()].map((builder) => {
      for (let log = 0; log < 514; log++) {
        builder.beginLog(1);
        translate(builder, 2, 1);
      }
      return builder.tenants;
    });
    expect(built).toEqual([512, 514]);
  });

  it('a device whose domain changes counts twice in the original (Q17)', () => {
    const built = [compat(), correct()].map((builder) => {
      builder.beginLog(1);
      context(builder, 2, 1);
      translate(builder, 2, 1);
      context(builder, 2, 5);
      translate(builder, 2, 5);
      return { tenants: builder.tenants, inLog: builder.tenantsInLog, changes: builder.summary().domainChanges.length };
    });
    expect(built).toEqual([
      { tenants: 2, inLog: 2, changes: 1 },
      { tenants: 1, inLog: 1, changes: 1 },
    ]);
  });

  it('domains are numbered by first appearance, not by SID (Q22)', () => {
    const builder = compat();
    builder.beginLog(2);
    translate(builder, 3, 9);
    translate(builder, 2, 4);
    const records = new Uint16Array(builder.translationRecords(builder.merge('orig', 1)).buffer);
    expect([records[2], records[3], records[26], records[27]]).toEqual([24, 0, 16, 1]);
  });

  it('devices on other buses are tenants except in the original (Q20), the management card never is', () => {
    const built = [compat(), correct()].map((builder) => {
      builder.beginLog(4);
      builder.pageUpdate(0x100, 0x1000, 0, 3, 0, 1, 1);
      builder.pageUpdate(0x1c << 3, 0x1000, 0, 3, 0, 1, 2);
      return builder.translations;
    });
    expect(built).toEqual([0, 1]);
  });

  it('a device that no context entry names is told', () => {
    const builder = correct();
    builder.beginLog(2);
    context(builder, 2, 1);
    translate(builder, 2, 1);
    translate(builder, 3, 2);
    expect(builder.summary().withoutContext).toEqual([{ log: 0, sid: 24 }]);
  });

  it('every address knows when its page is wanted next', () => {
    const builder = compat();
    builder.beginLog(2);
    for (const iova of [0x1000, 0x2000, 0x1fff, 0x1000]) translate(builder, 2, 1, iova);
    const words = new Uint32Array(builder.translationRecords(builder.merge('orig', 1)).buffer);
    expect([0, 1, 2, 3].map((record) => words[record * 12 + 10])).toEqual([2, 0xffffffff, 3, 0xffffffff]);
  });
});
