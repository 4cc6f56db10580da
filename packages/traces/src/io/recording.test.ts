import { readFileSync } from 'node:fs';
import {
  createIoSimulation,
  type RecordedBlock,
  RecordedKind,
  resolveIoMachine,
  resolveScheme,
} from '@strata/model/io';
import { decompress } from 'fzstd';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { recognizeIoLog } from './recognize.ts';
import { readRecording } from './recording.ts';

async function* pieces(bytes: Uint8Array, size = 65_536) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Element {
  readonly kind: number;
  readonly sid: number;
  readonly did: number;
  readonly vpn: number;
  readonly level: number;
  readonly entry: number;
  readonly pages: number;
}

async function elementsOf(bytes: Uint8Array, visit: (block: RecordedBlock) => void = () => {}): Promise<Element[]> {
  const kind = recognizeIoLog(bytes.subarray(0, 65_536)) ?? 'stock';
  const elements: Element[] = [];
  for await (const block of readRecording(pieces(bytes), kind, 'test')) {
    visit(block);
    for (let at = 0; at < block.length; at++)
      elements.push({
        kind: block.kind[at]!,
        sid: block.sid[at]!,
        did: block.did[at]!,
        vpn: block.iovaHi[at]! * 2 ** 20 + (block.iovaLo[at]! >>> 12),
        level: block.level[at]!,
        entry: block.entryHi[at]! * 2 ** 32 + block.entryLo[at]!,
        pages: block.pages[at]!,
      });
  }
  return elements;
}

const text = (lines: readonly string[]) => new TextEncoder().encode(`${lines.join('\n')}\n`);

describe('a log as a recording', () => {
  it('has the commands of the invalidation queue between the DMAs, in the order of the lines', async () => {
    const elements = await elementsOf(
      text([
        '1@2.3:vtd_inv_desc_cc_device context invalidate device 00:04.01',
        '1@2.3:vtd_inv_desc_iotlb_global iotlb invalidate global',
        '1@2.3:vtd_iotlb_page_update IOTLB page update sid 0x20 iova 0xffffb402 slpte 0x1fedb003 domain 0x4',
        '1@2.3:vtd_dmar_translate dev 00:04.00 iova 0xffffb000 -> gpa 0x1fedb000 mask 0xfff',
        '1@2.3:vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x4 addr 0xffffb000 mask 0x1',
        '1@2.3:vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x2',
        '1@2.3:vtd_inv_desc_cc_devices context invalidate devices sid 0x20 fmask 0x2',
        '1@2.3:vtd_inv_desc_cc_global context invalidate globally',
      ]),
    );
    const none = { sid: 0, did: 0, vpn: 0 };
    const { contextInvalidated, domainInvalidated, pagesInvalidated, translation } = RecordedKind;
    const context = (sid: number) => ({ ...none, kind: contextInvalidated, sid, pages: 1 });
    expect(elements.slice(0, 4)).toMatchObject([
      context(0x21),
      { kind: domainInvalidated, did: 0xffff },
      { kind: translation, sid: 0x20, did: 4, vpn: 0xffffb, level: 1, entry: 0x1fedb003 },
      { kind: pagesInvalidated, did: 4, vpn: 0xffffb, pages: 2 },
    ]);
    expect(elements.slice(4)).toMatchObject([
      { kind: domainInvalidated, did: 2 },
      ...[0x20, 0x22, 0x24, 0x26].map(context),
      { kind: contextInvalidated, pages: 0 },
    ]);
  });

  it("has what a driver maps and takes away, page by page, of Linux's tracepoints", async () => {
    const elements = await elementsOf(
      text([
        ' ip-1 [000] ..... 3.27: map: IOMMU: iova=0x00000000ffff6000 - 0x00000000ffff8000 paddr=0x0000000005748000 size=8192',
        ' ip-1 [000] ..... 3.28: unmap: IOMMU: iova=0x00000000ffff6000 - 0x00000000ffff8000 size=8192 unmapped_size=8192',
        ' ip-1 [000] ..... 3.29: map: IOMMU: iova=0x0000000140000000 - 0x0000000140200000 paddr=0x0000000200000000 size=2097152',
      ]),
    );
    const { pagesUnmapped, translation } = RecordedKind;
    expect(elements).toMatchObject([
      { kind: translation, vpn: 0xffff6, level: 1, entry: 0x5748000 },
      { kind: translation, vpn: 0xffff7, level: 1, entry: 0x5749000 },
      { kind: pagesUnmapped, vpn: 0xffff6, pages: 2 },
      { kind: translation, vpn: 0x140000, level: 2, entry: 0x200000000 },
    ]);
  });

  it('refuses a log without a translation', async () => {
    const bytes = text(['vtd_inv_desc_iotlb_global iotlb invalidate global']);
    await expect(elementsOf(bytes)).rejects.toThrow(/no translation/);
  });
});

describe.skipIf(!hasReference)(`recordings of QEMU${referenceReason}`, () => {
  it.each([
    ['vtd-8tenants-strict.log.zst', 250_244],
    ['amdvi-trace.log.zst', 31_117],
  ])(
    '%s: every walk ends at the frame of the entry recorded',
    async (file, atMost) => {
      const bytes = decompress(readFileSync(reference(`capture/${file}`)));
      const got = new Map<number, number[]>();
      const simulation = createIoSimulation({
        machine: resolveIoMachine({ queueEntries: 32, arrival: 'backlog' }),
        ...resolveScheme('recorded'),
        hasRecording: true,
        observer: {
          accessed(domain, vpn, frame) {
            const frames = got.get(domain * 2 ** 36 + vpn);
            if (frames === undefined) got.set(domain * 2 ** 36 + vpn, [frame]);
            else frames.push(frame);
          },
        },
      });
      const elements = await elementsOf(bytes, (block) => simulation.feedRecorded(block));
      const result = simulation.finish();
      const wanted = new Map<number, number[]>();
      let translations = 0;
      for (const { kind, did, vpn, entry } of elements) {
        if (kind !== RecordedKind.translation) continue;
        translations++;
        const frame = Math.floor(entry / 4096) % 2 ** 40;
        const frames = wanted.get(did * 2 ** 36 + vpn);
        if (frames === undefined) wanted.set(did * 2 ** 36 + vpn, [frame]);
        else frames.push(frame);
      }
      expect(translations).toBeGreaterThan(atMost * 0.99);
      expect(result.translations).toBe(translations);
      expect(got).toEqual(wanted);
      expect(result.invalidations).toBeGreaterThanOrEqual(elements.length - translations - 1);
    },
    120_000,
  );
});
