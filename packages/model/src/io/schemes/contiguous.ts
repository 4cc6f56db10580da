import type { ProtectionScheme } from './scheme.ts';

export const contiguous: ProtectionScheme = {
  name: 'contiguous',
  summary: 'contiguous addresses unmapped in batches; cached upper levels stay',
  source: 'Fast and Safe, SOSP 2024',
  translation: 'tables',
  invalidation: 'batch',
  dropsWalkCaches: false,
  hugePages: false,
  copies: false,
};
