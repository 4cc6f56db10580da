import type { ProtectionScheme } from './scheme.ts';

export const strict: ProtectionScheme = {
  name: 'strict',
  summary: 'each buffer is unmapped and invalidated before it is used again',
  source: 'Linux iommu.strict=1',
  translation: 'tables',
  invalidation: 'each',
  dropsWalkCaches: true,
  hugePages: false,
  copies: false,
};
