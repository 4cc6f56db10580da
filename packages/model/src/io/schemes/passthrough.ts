import type { ProtectionScheme } from './scheme.ts';

export const passthrough: ProtectionScheme = {
  name: 'passthrough',
  summary: 'no protection: devices use physical addresses',
  source: 'Linux iommu.passthrough=1',
  translation: 'none',
  invalidation: 'never',
  dropsWalkCaches: false,
  hugePages: false,
  copies: false,
};
