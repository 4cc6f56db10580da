import type { ProtectionScheme } from './scheme.ts';

export const hugePages: ProtectionScheme = {
  name: 'huge-pages',
  summary: 'buffers in 2 MiB pages that stay mapped',
  source: 'Farshin et al., PeerJ Computer Science 2023',
  translation: 'tables',
  invalidation: 'never',
  dropsWalkCaches: false,
  hugePages: true,
  copies: false,
};
