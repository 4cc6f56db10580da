import type { ProtectionScheme } from './scheme.ts';

export const riommu: ProtectionScheme = {
  name: 'riommu',
  summary: 'a flat table per ring; one cached entry per ring, the next one fetched ahead',
  source: 'rIOMMU, ASPLOS 2015',
  translation: 'ring',
  invalidation: 'each',
  dropsWalkCaches: false,
  hugePages: false,
  copies: false,
};
