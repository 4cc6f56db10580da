import type { ProtectionScheme } from './scheme.ts';

export const shadowCopies: ProtectionScheme = {
  name: 'shadow-copies',
  summary: 'data are copied to and from buffers that stay mapped',
  source: 'Copy, ASPLOS 2016',
  translation: 'tables',
  invalidation: 'never',
  dropsWalkCaches: false,
  hugePages: false,
  copies: true,
};
