import type { ProtectionScheme } from './scheme.ts';

export const deferred: ProtectionScheme = {
  name: 'deferred',
  summary: 'buffers are unmapped at once and invalidated together, by count or time',
  source: 'Linux iommu.strict=0 (flush queue)',
  translation: 'tables',
  invalidation: 'batch',
  dropsWalkCaches: true,
  hugePages: false,
  copies: false,
};
