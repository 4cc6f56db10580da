import {
  type AccessBlock,
  type AddressSpaces,
  type MemoryEvent,
  rowsOfBlock,
  StrataError,
} from '@strata/model/machine';
import { createResizedVm, type ResizedCounts } from '@strata/model/translation';

/** Accesses of a program while the VM below it is resized. */
export interface EventFeed {
  /** Simulates a block, with each event before the access at its time. */
  feed(block: AccessBlock): void;
  readonly counts: ResizedCounts;
}

/** What a program does in a microsecond unless something else is said: one access in 10 ns. */
export const accessesPerMicro = 100;

/** @param pace accesses of the program in a microsecond */
export function createEventFeed(
  events: readonly MemoryEvent[],
  pace: number,
  machine: AddressSpaces,
  feed: (block: AccessBlock) => void,
): EventFeed {
  const vm = createResizedVm(machine);
  let accesses = 0;
  let next = 0;
  return {
    counts: vm.counts,
    feed(block) {
      let from = 0;
      while (from < block.length) {
        while (next < events.length && events[next]!.micros * pace <= accesses) vm.apply(events[next++]!);
        const due = next < events.length ? Math.ceil(events[next]!.micros * pace) - accesses : Number.POSITIVE_INFINITY;
        const to = Math.min(block.length, from + due);
        feed(rowsOfBlock(block, from, to));
        accesses += to - from;
        from = to;
      }
    },
  };
}

/**
 * What the events take from a device of the VM, which is the domain.
 * @throws StrataError `elastic.no-iommu-events` for events without any
 */
export function unmapsOf(events: readonly MemoryEvent[], domain: number, where: string) {
  const unmaps = events
    .filter(({ kind }) => kind === 'iommu-unmap')
    .map(({ micros, frame, pages }) => ({ timeNs: micros * 1_000, domain, vpn: frame, pages }));
  if (unmaps.length > 0) return unmaps;
  throw new StrataError({
    code: 'elastic.no-iommu-events',
    what: 'no event of these takes anything from a device',
    where,
    expected: 'iommu-unmap events',
    mend: 'Write them with strata elastic events --vfio.',
  });
}
