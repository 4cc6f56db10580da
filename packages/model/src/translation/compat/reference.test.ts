import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../../testing/components.ts';
import { decodeArtifactTrace, referenceBytes, referenceDump } from '../../../../../testing/dmt-artifact.ts';
import { formulaResults } from './formulas.ts';
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
});
