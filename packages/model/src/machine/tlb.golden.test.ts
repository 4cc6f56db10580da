import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasProgram, hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { vpnOf } from './address.ts';
import { resolveMachine } from './machine-file.ts';
import { createPrintedTlb } from './print/tlb.ts';
import { createRandom } from './random.ts';
import { createTlb, type Tlb } from './tlb.ts';

/** Records of the native dialect: u16 type, u16 size, u64 address and a word unused. */
const recordBytes = 20;
const load = 0;
const store = 1;
const firstFetch = 16;
const lastFetch = 22;
/** The original's TLBs forget their counts after that many references. */
const warmup = 100_000;

function replay(tlb: Tlb, trace: DataView): void {
  let references = 0;
  for (let at = 0; at < trace.byteLength; at += recordBytes) {
    const type = trace.getUint16(at, true);
    const isFetch = type >= firstFetch && type <= lastFetch;
    if (!isFetch && type !== load && type !== store) continue;
    const vpn = vpnOf(trace.getUint32(at + 4, true), trace.getUint32(at + 8, true));
    if (tlb.lookup(0, vpn, isFetch, 0) < 0) tlb.fill(0, vpn, isFetch, 0, vpn % 1000, 1);
    if (++references === warmup) tlb.resetCounts();
  }
}

/** Hits and misses under the heading `name` of the original's report. */
function reported(report: string, name: string): [number, number] {
  const match = new RegExp(`TLB-${name} stats:\\s+Hits:\\s+(\\d+)\\s+Misses:\\s+(\\d+)`).exec(report)!;
  return [Number(match[1]), Number(match[2])];
}

describe.skipIf(!hasReference || !hasProgram('zstd'))(`the TLB${referenceReason}`, () => {
  it.each([
    ['interpreted', createTlb],
    ['printed', createPrintedTlb],
  ])('%s, hits and misses as often as in the run of the original, at each level', (_, create) => {
    const path = reference('translation/gups0.25.native.trace.zst');
    const { stdout } = spawnSync('zstd', ['-dqc', path], { maxBuffer: 1 << 26 });
    const report = readFileSync(reference('translation/nat.none.log'), 'utf8');
    const tlb = create({ cores: 1, tlb: resolveMachine('artifact').tlb, pageNumberBits: 36 }, createRandom(1));
    replay(tlb, new DataView(stdout.buffer, stdout.byteOffset, stdout.byteLength));
    const { l1iHits, l1iMisses, l1dHits, l1dMisses, l2Hits, l2Misses } = tlb.counts();
    expect([l1iHits, l1iMisses]).toEqual(reported(report, 'L1I'));
    expect([l1dHits, l1dMisses]).toEqual(reported(report, 'L1D'));
    expect([l2Hits, l2Misses]).toEqual(reported(report, 'LL'));
  });
});
