import type { ProtectionScheme } from './scheme.ts';

export const persistentPools: ProtectionScheme = {
  name: 'persistent-pools',
  summary: 'buffers from pools that stay mapped',
  source: 'DAMN, ASPLOS 2018',
  translation: 'tables',
  invalidation: 'never',
  dropsWalkCaches: false,
  hugePages: false,
  copies: false,
};
