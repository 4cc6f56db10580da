import { readFileSync } from 'node:fs';
import { buildQuirks, TraceBuilder } from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { decompress } from 'fzstd';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { recognizeIoLog } from './recognize.ts';
import { createStockLogParser } from './stock-log.ts';

const text = [
  '7@1.000001:vtd_iotlb_cc_update IOTLB context update bus 0x1 devfn 0x8 high 0xc01 low 0x5509001 gen 0 -> gen 1',
  '7@1.000002:vtd_iotlb_page_update IOTLB page update sid 0x108 iova 0x1fffff204 slpte 0x56f0003 domain 0xc',
  '7@1.000003:vtd_dmar_translate dev 01:01.00 iova 0x1fffff000 -> gpa 0x56f0000 mask 0xfff',
  'vtd_iotlb_page_hit IOTLB page hit sid 0x108 iova 0x40200abc slpte 0x40000083 domain 0xc',
  'vtd_dmar_translate dev 01:01.00 iova 0x40200000 -> gpa 0x40000000 mask 0x1fffff',
  'vtd_inv_desc_iotlb_pages iotlb invalidate domain 0xc addr 0xffffe000 mask 0x1',
  'vtd_iotlb_page_hit IOTLB page hit sid 0xfa iova 0x1000 slpte 0x1003 domain 0x1',
  'vtd_dmar_translate dev 00:1f.02 iova 0x1000 -> gpa 0x1000 mask 0xfff',
  'vtd_dmar_translate dev 02:00.00 iova 0x1000 -> gpa 0x1000 mask 0xfff',
  'vtd_iotlb_cc_hit IOTLB context hit bus 0x2 devfn 0x0 high 0xd01 low 0x5509001 gen 1',
].join('\n');

function parse(bytes: Uint8Array, cuts: readonly number[] = []) {
  const builder = new TraceBuilder(buildQuirks([]));
  builder.beginLog(8, 'stock');
  const parser = createStockLogParser(builder);
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    parser.push(bytes.subarray(from, cut));
    from = cut;
  }
  parser.push(bytes.subarray(from));
  parser.end();
  return { builder, parser };
}

describe('the log of an unpatched QEMU', () => {
  const bytes = new TextEncoder().encode(text);

  it('gives each translation its byte address and the size of its page', () => {
    const { builder, parser } = parse(bytes);
    const words = new Uint32Array(builder.translationRecords(builder.merge('orig', 1)).buffer);
    const fields = [0, 1].map((record) => [1, 2, 3, 4, 6].map((word) => words[record * 12 + word]));
    expect(fields).toEqual([
      [0x108, 0xfffff204, 1, 0xfffff000, 1],
      [0x108, 0x40200abc, 0, 0xffe00000, 2],
    ]);
    expect(parser).toMatchObject({ lines: 10, pageInvalidations: 1, withoutDomain: 1 });
    expect(builder.summary()).toMatchObject({ tenants: 2, translations: 2, withoutContext: [] });
  });

  it('reads the same wherever the bytes are cut', () => {
    const whole = parse(bytes).builder;
    const records = whole.translationRecords(whole.merge('orig', 1));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const { builder } = parse(bytes, cuts);
        expect(builder.translationRecords(builder.merge('orig', 1))).toEqual(records);
      }),
    );
  });

  it('survives any changed byte', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = bytes.slice();
        changed[at] = value;
        try {
          expect(parse(changed).builder.translations).toBeLessThanOrEqual(4);
        } catch (error) {
          if (!(error instanceof StrataError)) throw error;
          expect(error.message).toMatch(/^log line \d+: (a line of \w+ without its fields|translations of a device)/);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("takes Linux's map tracepoints for one use of every page by one tenant", () => {
    const lines = [
      '  ip-101  [000] .....  3.27: map: IOMMU: iova=0x00000000ffff6000 - 0x00000000ffff8000 paddr=0x0000000005748000 size=8192',
      '  ip-101  [000] .....  3.28: unmap: IOMMU: iova=0x00000000ffff6000 - 0x00000000ffff8000 size=8192 unmapped_size=8192',
      '  ip-101  [000] .....  3.29: map: IOMMU: iova=0x0000000100200000 - 0x0000000100600000 paddr=0x0000000040000000 size=4194304',
    ].join('\n');
    const bytes = new TextEncoder().encode(lines);
    expect(recognizeIoLog(bytes)).toBe('stock');
    const { builder, parser } = parse(bytes);
    const words = new Uint32Array(builder.translationRecords(builder.merge('orig', 1)).buffer);
    expect(
      [0, 1, 2, 3].map((record) => [words[record * 12 + 2], words[record * 12 + 3], words[record * 12 + 6]]),
    ).toEqual([
      [0xffff6000, 0, 1],
      [0xffff7000, 0, 1],
      [0x200000, 1, 2],
      [0x400000, 1, 2],
    ]);
    expect(parser).toMatchObject({ translations: 4, pageInvalidations: 1, contexts: 1 });
  });

  const range = 'iova=0x00000000ffff6000 - 0x00000000ffff8000';
  it.each([
    ['ftrace', `ip-101  [000] .....  3.27: map: IOMMU: ${range} paddr=0x0000000005748000 size=8192`],
    ['perf script', `ip   101 [000]     3.270001:    iommu:map: IOMMU: ${range} paddr=0x0000000005748000 size=8192`],
    ['trace-cmd', `ip-101   [000]     3.27: map:                  IOMMU: ${range} paddr=0x0000000005748000 size=8192`],
    [
      'a kernel that prints no range',
      'ip-101 3.27: map: IOMMU: iova=0x00000000ffff6000 paddr=0x0000000005748000 size=8192',
    ],
    ['one that prints the size in hexadecimal', 'ip-101 3.27: map: IOMMU: iova=0xffff6000 paddr=0x5748000 size=0x2000'],
  ])('reads tracepoints as printed by %s', (_, map) => {
    const unmap = map
      .replace('map:', 'unmap:')
      .replace(/ paddr=0x\w+/, '')
      .concat(' unmapped_size=8192');
    const bytes = new TextEncoder().encode(`# tracer: nop\n${map}\n${unmap}\n`);
    expect(recognizeIoLog(bytes)).toBe('stock');
    const { builder, parser } = parse(bytes);
    const words = new Uint32Array(builder.translationRecords(builder.merge('orig', 1)).buffer);
    expect([0, 1].map((record) => [words[record * 12 + 2], words[record * 12 + 8]])).toEqual([
      [0xffff6000, 0x5748000],
      [0xffff7000, 0x5749000],
    ]);
    expect(parser).toMatchObject({ translations: 2, pageInvalidations: 1 });
  });

  it("leaves Linux's other IOMMU tracepoints alone", () => {
    const other = ['attach_device_to_domain: IOMMU: device=0000:00:02.0', 'remap: IOMMU: iova=0x1000'].join('\n');
    expect(parse(new TextEncoder().encode(other)).parser).toMatchObject({ lines: 2, translations: 0 });
  });

  const amd = [
    'amdvi_cache_update  update iotlb domid 0x2 devid: 00:04.0 gpa 0xffffb402 hpa 0x61f3000',
    'amdvi_translation_result devid: 00:04.0 gpa 0xffffb402 hpa 0x61f3000',
    'amdvi_iotlb_hit hit iotlb devid 00:04.0 gpa 0xffffb502 hpa 0x61f3000',
    'amdvi_translation_result devid: 00:04.0 gpa 0xffffb502 hpa 0x61f3000',
  ];
  it.each([
    ['as QEMU prints it', amd],
    ['with times', amd.map((line) => `4242@1590529581.000046:${line}`)],
    ['with carriage returns', amd.map((line) => `${line}\r`)],
    ['with digits in capitals', amd.map((line) => line.replaceAll('ffffb', 'FFFFB'))],
    ['with a PASID', amd.map((line) => line.replace('domid 0x2', 'domid 0x2 pasid 0x0'))],
  ])("reads AMD's log %s", (_, lines) => {
    const { builder } = parse(new TextEncoder().encode(lines.join('\n')));
    const words = new Uint32Array(builder.translationRecords(builder.merge('orig', 1)).buffer);
    expect([0, 1].map((record) => [words[record * 12 + 1], words[record * 12 + 2], words[record * 12 + 8]])).toEqual([
      [0x20, 0xffffb402, 0x61f3000],
      [0x20, 0xffffb502, 0x61f3000],
    ]);
  });

  it.each([
    [
      'a torn last line',
      [...amd, 'amdvi_translation_result devid: 00:04.0 gpa'],
      /^log line 5: .*amdvi_translation_result without/,
    ],
    [
      'a device with a segment',
      amd.map((line) => line.replace('devid: ', 'devid: 0000:')),
      /^log line 1: .*0000:00:04\.0/,
    ],
    [
      'no domain of the device',
      amd.slice(1),
      /^log line 1: translations of a device that no line gives a domain: SID 0x20/,
    ],
    ['a torn mapping', ['x', 'map: IOMMU: iova=0x0000'], /^log line 2: a line of iommu:map without its fields/],
    ['an empty mapping', ['map: IOMMU: iova=0x1000 - 0x1000 paddr=0x1000 size=0'], /^log line 1: a line of iommu:map/],
    ['a torn look-up', ['vtd_iotlb_page_hit IOTLB page hit sid 0x108 iova'], /^log line 1: .*vtd_iotlb_page_hit/],
    [
      'a torn command',
      ['vtd_inv_desc_iotlb_pages iotlb invalidate domain 0xc addr'],
      /^log line 1: .*vtd_inv_desc_iotlb_pages/,
    ],
  ])('refuses %s with its line', (_, lines, message) => {
    expect(() => parse(new TextEncoder().encode(lines.join('\n')))).toThrow(message);
  });

  it('is told from the collector by the fields of its look-ups', () => {
    expect(recognizeIoLog(bytes)).toBe('stock');
    const patched = text.replace('slpte 0x40000083', 'pmask 0xffffffffffe00000 slpte 0x40000083');
    expect(recognizeIoLog(new TextEncoder().encode(patched))).toBe('collector');
    expect(recognizeIoLog(new Uint8Array())).toBeUndefined();
  });
});

describe.skipIf(!hasReference)(`recordings of real systems${referenceReason}`, () => {
  it('eight tenants of VT-d: every one of 250,244 translations', () => {
    const { builder, parser } = parse(decompress(readFileSync(reference('capture/vtd-8tenants-strict.log.zst'))));
    expect(parser).toMatchObject({ translations: 250_244, pageInvalidations: 51_194, domainInvalidations: 20 });
    expect(builder.summary()).toMatchObject({ tenants: 8, translations: 250_244, withoutContext: [] });
  });

  it('one tenant of AMD-Vi: every translation', () => {
    const { builder, parser } = parse(decompress(readFileSync(reference('capture/amdvi-trace.log.zst'))));
    expect(parser).toMatchObject({ translations: 31_117, withoutDomain: 0 });
    expect(builder.tenants).toBe(1);
  });
});
