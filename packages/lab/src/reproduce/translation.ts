import type { Part } from './part.ts';

/** CPU address translation. */
export const translationPart: Part = {
  name: 'translation',
  summary: 'CPU address translation, DMT/pvDMT (ASPLOS 2024)',
  inputs: () => [],
  run: async () => ({ stats: {}, tables: [], figures: [], claims: [], warnings: [], notModelled: [] }),
};
