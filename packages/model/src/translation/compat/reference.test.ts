import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../../testing/components.ts';
import { decodeArtifactTrace, referenceBytes, referenceDump } from '../../../../../testing/dmt-artifact.ts';
import { formulaResults } from './formulas.ts';
import { noQuirks } from './quirks.ts';
import { renderReport } from './report.ts';
import { simulateCompat } from './simulate.ts';

const runs = [
  { log: 'nat.nextline.log', setup: 'native', prefetcher: 'nextline' },
  { log: 'nat.none.log', setup: 'native', prefetcher: 'none' },
  { log: 'virt.nextline.log', setup: 'virtualized', prefetcher: 'nextline' },
  { log: 'virt.none.log', setup: 'virtualized', prefetcher: 'none' },
] as const;

describe.skipIf(!hasReference)(`the original simulators' reports${referenceReason}`, () => {
  it.each(runs)('come out byte for byte: $log', ({ log, setup, prefetcher }) => {
    const trace = setup === 'native' ? 'gups0.25.native.trace.zst' : 'gups0.25.virt.trace.zst';
    const simulation = simulateCompat({
      config: { setup, prefetcher, warmupReferences: 100_000 },
      tables: referenceDump('gups0.25.byte.dump.zst'),
      hostTables: referenceDump('gups0.25.host.byte.dump.zst'),
    });
    simulation.feed(decodeArtifactTrace(referenceBytes(trace), setup));
    expect(renderReport(simulation.finish())).toBe(readFileSync(reference(`translation/${log}`), 'utf8'));
  });

  it('collapse when frame numbers are taken for byte addresses, with speedups that mean nothing', () => {
    const guest = referenceDump('gups0.25.pfn.dump.zst');
    const host = referenceDump('gups0.25.host.byte.dump.zst', 1 / 4096);
    const simulation = simulateCompat({
      config: { setup: 'virtualized', warmupReferences: 100_000 },
      tables: guest,
      hostTables: host,
    });
    simulation.feed(decodeArtifactTrace(referenceBytes('gups0.25.virt.trace.zst'), 'virtualized'));
    const result = simulation.finish();
    const { dmt, pvdmt } = formulaResults(result, { setup: 'virtualized' });
    expect(result.histogram.length).toBe(2);
    expect(dmt!.speedup).toBeGreaterThan(60);
    expect(pvdmt!.speedup).toBeLessThan(180);
  });

  it('give radix far fewer references per walk once the quirks are mended', () => {
    const simulation = simulateCompat({
      config: { setup: 'virtualized' },
      quirks: noQuirks,
      tables: referenceDump('gups0.25.byte.dump.zst'),
      hostTables: referenceDump('gups0.25.host.byte.dump.zst'),
    });
    simulation.feed(decodeArtifactTrace(referenceBytes('gups0.25.virt.trace.zst'), 'virtualized'));
    const result = simulation.finish();
    // Published for a good set of page-walk caches: about 4.4 references (FPT, ASPLOS 2022, abstract); as shipped 9.96 here.
    expect(result.referencesPerWalk).toBeGreaterThan(4);
    expect(result.referencesPerWalk).toBeLessThan(6);
  });
});
