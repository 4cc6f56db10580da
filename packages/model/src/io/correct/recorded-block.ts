import { createTranslationBlock, type TranslationBlock } from '../compat/records.ts';

/** What an element of a recording is. Of all but translations: domain, address and number of pages. */
export const RecordedKind = {
  translation: 0,
  /** A command for the translations of pages. */
  pagesInvalidated: 1,
  /** A command for all that a domain has; domain `everyDomain` = of all domains. */
  domainInvalidated: 2,
  /** A command for the context entry of the requester; of all when `pages` is 0. */
  contextInvalidated: 3,
  /** A driver has taken the mapping of pages away, and a command follows. */
  pagesUnmapped: 4,
} as const;

/** As a domain of `RecordedBlock`: all of them. */
export const everyDomain = 0xffff;

/** DMAs in the order of a log, with what its driver told the IOMMU in between. A producer reuses its block. */
export interface RecordedBlock extends TranslationBlock {
  readonly kind: Uint8Array;
  readonly pages: Float64Array;
}

export function createRecordedBlock(capacity: number): RecordedBlock {
  return {
    ...createTranslationBlock(capacity),
    kind: new Uint8Array(capacity),
    pages: new Float64Array(capacity),
  };
}
