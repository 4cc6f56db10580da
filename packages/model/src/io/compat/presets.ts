import type { ConfigurationFile } from './configuration-file.ts';

const contextCache = { entries: 1536, ways: 1536, partitions: 1 };

/** The release's default, and HyperTRIO as reconstructed for the reference runs (specs/io.md 3.3). */
export const configurationPresets: ReadonlyMap<string, ConfigurationFile> = new Map([
  [
    'base',
    {
      contextCache,
      deviceTlb: { entries: 64, ways: 8, partitions: 1 },
      l2PageCache: { entries: 512, ways: 16, partitions: 1 },
      l3PageCache: { entries: 1024, ways: 16, partitions: 1 },
      prefetch: { bufferEntries: 0, historyDepth: 2, distance: 32 },
    },
  ],
  [
    'hypertrio',
    {
      contextCache,
      deviceTlb: { entries: 64, ways: 8, partitions: 8 },
      l2PageCache: { entries: 512, ways: 16, partitions: 32 },
      l3PageCache: { entries: 1024, ways: 16, partitions: 64 },
      prefetch: { bufferEntries: 8, historyDepth: 2, distance: 48 },
    },
  ],
]);
