import { createRegistry, type Registry } from '@strata/model/machine';
import type { TranslationConfig } from '@strata/model/translation';
import type { Configuration } from '../config/load.ts';

/** One assumption about the baseline or the system, changed. */
export interface Variation {
  readonly name: string;
  readonly summary: string;
  /** What differs from the resolved configuration. */
  override(config: TranslationConfig): Configuration;
}

const levels = ['unified', 'level2', 'level3', 'level4', 'level5'] as const;
/** Memory that a variation of fragmentation takes where the study does not say: ageing touches all of it. */
const agedMemoryGiB = 16;

function walkCaches({ machine }: TranslationConfig, factor: number): Configuration {
  const scaled = (caches: TranslationConfig['machine']['pageWalkCaches']): Configuration =>
    Object.fromEntries(levels.map((level) => [level, { entries: caches[level].entries * factor }]));
  return {
    machine: {
      pageWalkCaches: scaled(machine.pageWalkCaches),
      hostPageWalkCaches: scaled(machine.hostPageWalkCaches),
    },
  };
}

function fragmented({ spaces }: TranslationConfig, fragmentation: number): Configuration {
  const names = ['process', 'vm', 'l1'] as const;
  return {
    spaces: Object.fromEntries(
      names.map((name) => [
        name,
        { fragmentation, memoryGiB: spaces[name].memoryGiB || agedMemoryGiB * 2 ** names.indexOf(name) },
      ]),
    ),
  };
}

function paged(page: string): Configuration {
  return { page, spaces: { process: { page }, vm: { page }, l1: { page } } };
}

/** What `strata translate sensitivity` varies, one at a time. */
export const variations: Registry<Variation> = createRegistry<Variation>('variation', [
  {
    name: 'no-walk-caches',
    summary: 'no page-walk caches in any dimension',
    override: (config) => walkCaches(config, 0),
  },
  {
    name: 'large-walk-caches',
    summary: 'page-walk caches with eight times the entries: their reach',
    override: (config) => walkCaches(config, 8),
  },
  {
    name: 'no-nested-tlb',
    summary: 'no nested TLB; the same as given where the machine has none',
    override: () => ({ machine: { nestedTlb: { entries: 0 } } }),
  },
  {
    name: 'large-nested-tlb',
    summary: 'a nested TLB with 1,024 entries of 8 ways',
    override: () => ({ machine: { nestedTlb: { entries: 1024, ways: 8 } } }),
  },
  {
    name: 'combined-walk-caches',
    summary: "the guest's walk caches hold host-physical pointers",
    override: () => ({ designs: { radix: { walkCachePointers: 'host-physical' } } }),
  },
  {
    name: 'small-llc',
    summary: 'a quarter of the last-level cache',
    override: ({ machine }) => ({ machine: { llc: { sizeBytes: machine.llc.sizeBytes / 4 } } }),
  },
  {
    name: 'large-llc',
    summary: 'four times the last-level cache',
    override: ({ machine }) => ({ machine: { llc: { sizeBytes: machine.llc.sizeBytes * 4 } } }),
  },
  {
    name: 'other-prefetcher',
    summary: 'the next-line prefetcher off, or on where it was off',
    override: ({ machine }) => ({ machine: { prefetcher: machine.prefetcher === 'none' ? 'nextline' : 'none' } }),
  },
  {
    name: 'fragmented-quarter',
    summary: 'memories whose unusable free space index at 2 MiB is 0.25 at the start',
    override: (config) => fragmented(config, 0.25),
  },
  {
    name: 'fragmented-half',
    summary: 'memories whose unusable free space index at 2 MiB is 0.5 at the start',
    override: (config) => fragmented(config, 0.5),
  },
  {
    name: 'fragmented-most',
    summary: 'memories whose unusable free space index at 2 MiB is 0.9 at the start',
    override: (config) => fragmented(config, 0.9),
  },
  {
    name: 'fragmented',
    summary: 'memories without any free block of 2 MiB at the start',
    override: (config) => fragmented(config, 1),
  },
  { name: 'huge-pages', summary: 'transparent huge pages in every dimension', override: () => paged('thp') },
  {
    name: 'khugepaged',
    summary: '4 KiB pages that khugepaged collapses to huge ones later, in every dimension',
    override: () => paged('khugepaged'),
  },
]);
