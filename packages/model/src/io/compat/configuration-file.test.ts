import { describe, expect, it } from 'vitest';
import { parseConfigurationFile } from './configuration-file.ts';

const text = `// base
CC
size:1536
assoc:1536
groups:1
histlen:0
IOTLB
size:64
assoc:8
groups:8
L2PAGE
size:512
assoc:16
groups:32
L3PAGE
size:1024
assoc:16
groups:64
PREFETCH
size:8
assoc:48
groups:0
histlen:2
`;

describe('a configuration file of the original', () => {
  it('gives the caches and the prefetcher, whose distance it calls assoc', () => {
    expect(parseConfigurationFile(text, 'a.cfg')).toEqual({
      contextCache: { entries: 1536, ways: 1536, partitions: 1 },
      deviceTlb: { entries: 64, ways: 8, partitions: 8 },
      l2PageCache: { entries: 512, ways: 16, partitions: 32 },
      l3PageCache: { entries: 1024, ways: 16, partitions: 64 },
      prefetch: { bufferEntries: 8, historyDepth: 2, distance: 48 },
    });
  });

  it('may have carriage returns and blank lines, which make the original skip the rest', () => {
    expect(parseConfigurationFile(text.replaceAll('\n', '\r\n\r\n'), 'a.cfg')).toEqual(
      parseConfigurationFile(text, 'a.cfg'),
    );
  });

  it.each([
    ['size:64', 'sise:64', /a\.cfg line 3: unknown key sise\. Did you mean size\?/],
    ['groups:8', 'epg:8', /line 10: unknown key epg\. This key was removed/],
    ['assoc:48', 'assoc:many', /wrong value of assoc; expected a whole number from 0 to 999999999, found many/],
    [
      'size:64',
      'size:1000000000',
      /wrong value of size; expected a whole number from 0 to 999999999, found 1000000000/,
    ],
    ['PREFETCH', 'PREFETSCH', /unknown section PREFETSCH\. Did you mean PREFETCH\?/],
    ['CC\n', '', /line 2: a value before any section/],
    ['histlen:2', '', /a\.cfg: PREFETCH has no histlen/],
  ])('with %j as %j is refused with its line', (good, bad, message) => {
    const first = good === 'size:64' ? text.replace('size:1536', bad) : text.replace(good, bad);
    expect(() => parseConfigurationFile(first, 'a.cfg')).toThrow(message);
  });
});
