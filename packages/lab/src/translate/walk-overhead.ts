import { readFileSync } from 'node:fs';
import { StrataError } from '@strata/model/machine';

/** Cycles in which a page walk was under way, by the names of Intel's events, the better one first. */
const walkEvents = ['walk_active', 'walk_pending', 'walk_duration'] as const;
const walkSources = ['dtlb_load_misses', 'dtlb_store_misses', 'itlb_misses'] as const;

/**
 * Share of an application's cycles during which the hardware walked page tables, from the text of `perf stat` (with or without -x,):
 * the sum of the walk events of loads, stores and fetches over the cycles. An upper bound of what walks cost: part of it overlaps.
 * @throws StrataError `perf.*`
 */
export function walkOverheadOf(text: string, where: string): number {
  const counts = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, count] = eventOf(line) ?? [];
    if (name !== undefined && count !== undefined) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  const cycles = counts.get('cycles') ?? counts.get('cpu-cycles');
  const kind = walkEvents.find((event) => walkSources.some((source) => counts.has(`${source}.${event}`)));
  if (cycles === undefined || kind === undefined || cycles === 0)
    throw new StrataError({
      code: 'perf.events-missing',
      what: 'the walk overhead cannot be told from these counters',
      where,
      expected: `cycles, and at least one of ${walkSources.map((source) => `${source}.walk_active`).join(', ')}`,
      found: [...counts.keys()].join(', ') || 'no counters',
      mend: 'perf stat -e cycles,dtlb_load_misses.walk_active,dtlb_store_misses.walk_active,itlb_misses.walk_active ...',
    });
  const walking = walkSources.reduce((sum, source) => sum + (counts.get(`${source}.${kind}`) ?? 0), 0);
  return Math.min(1, walking / cycles);
}

/** Name and count of one line; nothing for a line without, or with `<not counted>`. */
function eventOf(line: string): readonly [string, number] | undefined {
  const separated = /^\s*([\d.]+),[^,]*,([a-z][^,\s]*),/i.exec(line);
  const spaced = /^\s*(\d[\d.,'\u00a0\u202f]*)\s+([\w.:/-]+)/.exec(line);
  const found = separated ?? spaced;
  if (found === null) return undefined;
  // With spaces the number is grouped as the locale says, and whole.
  const count = Number(separated === null ? found[1]!.replace(/\D/g, '') : found[1]);
  const name = /^(?:\w+\/)?([\w.-]+?)(?:\/\w*)?(?::\w+)?$/.exec(found[2]!.toLowerCase())?.[1];
  return name === undefined ? undefined : [name, count];
}

export function walkOverheadIn(file: string): number {
  try {
    return walkOverheadOf(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof StrataError) throw error;
    throw new StrataError({ code: 'input.unreadable', what: 'no such file, or not readable', where: file });
  }
}

/** Amdahl: the share of walks shrinks by the walk's speedup. */
export function applicationSpeedup(overhead: number, walkSpeedup: number): number {
  return 1 / (1 - overhead + overhead / walkSpeedup);
}
