import { StrataError, suggestion } from '../../machine/errors.ts';

/** A behaviour of the original simulators that a model of the machine would not have. */
export interface Quirk {
  readonly name: QuirkName;
  /** What the original does. */
  readonly on: string;
  /** What happens when the quirk is switched off. */
  readonly off: string;
}

export const quirkNames = ['Q1', 'Q2', 'Q3', 'Q4', 'Q5', 'Q6', 'Q7', 'Q8', 'Q9', 'Q10'] as const;
export type QuirkName = (typeof quirkNames)[number];
export type Quirks = Readonly<Record<QuirkName, boolean>>;

/** The quirks of the DMT artifact's simulators in the numbering of the specification (translation, section 2.4). */
export const quirks: readonly Quirk[] = [
  {
    name: 'Q1',
    on: 'a request for the line that a cache handled last counts as a hit but is answered "not found": memory for a page-table reference, a miss for a page-walk cache',
    off: 'it is answered by the level that holds it',
  },
  {
    name: 'Q2',
    on: 'page-walk caches drop the three lowest bits of their keys: one entry covers eight neighbouring table entries',
    off: 'one entry covers one table entry',
  },
  {
    name: 'Q3',
    on: 'page-walk caches are filled while they are probed, at all levels',
    off: 'they are filled when the walk is complete, with the levels that it read',
  },
  {
    name: 'Q4',
    on: 'the host walk for the guest data page ignores the host page-walk caches',
    off: 'it consults and fills them like the other host walks',
  },
  {
    name: 'Q5',
    on: 'the warm-up counter falls twice per reference, once per reference that is dropped, and statistics are reset only when it reaches zero at the end of a reference; TLB statistics have a counter of their own that falls once',
    off: 'warm-up counts each reference once, then all statistics are reset',
  },
  {
    name: 'Q6',
    on: 'software prefetches pass the TLBs by and always walk',
    off: 'they look up the TLBs like reads',
  },
  {
    name: 'Q7',
    on: 'thread exits and instructions that are not fetched are looked up at page 0 and counted as not found',
    off: 'they are not references; the core of a thread that has ended is free again',
  },
  { name: 'Q8', on: 'TLBs replace the least frequently used entry', off: 'TLBs replace the least recently used entry' },
  {
    name: 'Q9',
    on: 'a request that spans lines is answered by the level of its last line',
    off: 'it is answered by the level farthest away, whose line arrives last',
  },
  {
    name: 'Q10',
    on: 'the native simulator injects contention into the last-level cache at the rate meant for the first level',
    off: 'each injector has its own rate',
  },
];

export const allQuirks: Quirks = selected(() => true);
export const noQuirks: Quirks = selected(() => false);

function selected(isOn: (name: QuirkName) => boolean): Quirks {
  return Object.fromEntries(quirkNames.map((name) => [name, isOn(name)])) as Record<QuirkName, boolean>;
}

/**
 * The quirks that are on.
 * @param list `all`, `none`, or names separated by commas: `Q1,Q3`
 * @throws StrataError `compat.unknown-quirk`
 */
export function parseQuirks(list: string): Quirks {
  const words = list
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  if (words.length === 1 && words[0]!.toLowerCase() === 'all') return allQuirks;
  if (words.length === 1 && words[0]!.toLowerCase() === 'none') return noQuirks;
  const on = words.map((word) => {
    const name = quirkNames.find((known) => known === word.toUpperCase());
    if (name === undefined) throw unknownQuirk(word);
    return name;
  });
  if (on.length === 0) throw unknownQuirk(list);
  return selected((name) => on.includes(name));
}

function unknownQuirk(word: string): StrataError {
  return new StrataError({
    code: 'compat.unknown-quirk',
    what: `unknown quirk ${JSON.stringify(word)}`,
    expected: 'all, none, or names separated by commas',
    mend: suggestion(word, quirkNames),
  });
}
