import { integer } from '../../machine/fields.ts';

/**
 * What allocating tables costs a design. Tables of 4 KiB, which the operating system makes for radix as well, are charged to nobody.
 */
export const allocationFields = {
  clearCycles: integer(1000, 'cost of clearing 4 KiB of a table that is larger than that', {
    unit: 'cycles',
    source: 'assumed: 4 KiB at 4 bytes per cycle',
  }),
  failedCycles: integer(2500, 'cost of a request for contiguous memory that fails', {
    unit: 'cycles',
    source: "assumed: the page allocator's slow path once, without compaction",
  }),
};

/** For designs whose areas are not cleared as a whole. */
export const { failedCycles } = allocationFields;
