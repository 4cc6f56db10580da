import { type AccessBlock, AccessKind } from '@strata/model/machine';
import { type CompatConfig, labels, type Quirks } from '@strata/model/translation/compat';

// The original simulators once more, in the plainest way: objects, maps and big integers. The oracle of the fast implementation.

export interface NaiveRow {
  readonly columns: readonly number[];
  readonly target: number;
}
export type NaiveTable = ReadonlyMap<number, NaiveRow>;

interface Entry {
  key: string;
  age: number;
}

/** Returns whether the key was found; `repeated` when it was the one used last. */
class NaiveSet {
  readonly sets = new Map<number, (Entry | undefined)[]>();
  last = '';
  readonly setCount: number;
  readonly ways: number;

  constructor(setCount: number, ways: number) {
    this.setCount = setCount;
    this.ways = ways;
  }

  entriesFor(index: number): (Entry | undefined)[] {
    const set = index % this.setCount;
    if (!this.sets.has(set))
      this.sets.set(
        set,
        Array.from({ length: this.ways }, () => undefined),
      );
    return this.sets.get(set)!;
  }
}

class NaiveCache extends NaiveSet {
  readonly level: number;
  readonly parent: NaiveCache | undefined;
  readonly ages = new Map<number, number[]>();
  prefetches = false;
  repeatIsMemory = true;
  hits = 0;
  misses = 0;

  constructor(lines: number, ways: number, level: number, parent?: NaiveCache) {
    super(lines / ways, ways);
    this.level = level;
    this.parent = parent;
  }

  request(line: number, prefetch = false, alone = true): number {
    if (alone && String(line) === this.last) {
      if (!prefetch) this.hits++;
      this.touch(line);
      return this.repeatIsMemory ? 0 : this.level;
    }
    const ways = this.entriesFor(line);
    const found = ways.some((entry) => entry?.key === String(line));
    let level = this.level;
    if (!prefetch) found ? this.hits++ : this.misses++;
    if (!found) {
      level = this.parent?.request(line, prefetch) ?? 0;
      this.place(line);
    }
    this.touch(line);
    if (!found && this.prefetches && !prefetch) this.request(line + 1, true);
    this.last = String(line);
    return level;
  }

  place(line: number): void {
    const ways = this.entriesFor(line);
    const free = ways.indexOf(undefined);
    const oldest = Math.max(...ways.map((entry) => entry?.age ?? 0));
    const way = free >= 0 ? free : ways.findIndex((entry) => entry!.age === oldest);
    ways[way] = { key: String(line), age: 1 };
    // Ages of empty ways run too: they decide nothing until the way is filled, which sets them anew.
  }

  touch(line: number): void {
    const ways = this.entriesFor(line);
    const entry = ways.find((candidate) => candidate?.key === String(line));
    if (entry === undefined || entry.age === 0) return;
    for (const other of ways) if (other !== undefined && other !== entry && other.age <= entry.age) other.age++;
    entry.age = 0;
  }
}

class NaiveTlb extends NaiveSet {
  readonly parent: NaiveTlb | undefined;
  readonly lfu: boolean;
  clock = 0;
  hits = 0;
  misses = 0;

  constructor(entries: number, ways: number, lfu: boolean, parent?: NaiveTlb) {
    super(entries / ways, ways);
    this.lfu = lfu;
    this.parent = parent;
  }

  request(page: number, process: number): boolean {
    const key = `${page}/${process}`;
    const ways = this.entriesFor(page);
    let entry = ways.find((candidate) => candidate?.key === key);
    const found = entry !== undefined;
    const below = found ? false : (this.parent?.request(page, process) ?? false);
    if (found) this.hits++;
    else this.misses++;
    if (entry === undefined) {
      const ranks = ways.map((candidate) => candidate?.age ?? -1);
      entry = { key, age: 0 };
      ways[ranks.indexOf(Math.min(...ranks))] = entry;
    }
    entry.age = this.lfu ? entry.age + 1 : ++this.clock;
    return found || below;
  }
}

export interface NaiveOutcome {
  readonly histogram: Record<string, number>;
  readonly requests: number;
  readonly notFound: number;
  readonly hits: Record<string, number>;
}

/** One process, one core and no range file; every other behaviour as configured. */
export function simulateNaively(
  config: CompatConfig,
  quirks: Quirks,
  trace: AccessBlock,
  guest: NaiveTable,
  host?: NaiveTable,
): NaiveOutcome {
  const cacheOf = (name: 'l1i' | 'l1d' | 'l2' | 'llc', level: number, parent?: NaiveCache) => {
    const cache = new NaiveCache(config[name].bytes / config.lineBytes, config[name].ways, level, parent);
    cache.repeatIsMemory = quirks.Q1;
    return cache;
  };
  const llc = cacheOf('llc', 3);
  const l2 = cacheOf('l2', 2, llc);
  const l1i = cacheOf('l1i', 1, l2);
  const l1d = cacheOf('l1d', 1, l2);
  l1d.prefetches = config.prefetcher === 'nextline';
  const tlbL2 = new NaiveTlb(config.tlbL2.entries, config.tlbL2.ways, quirks.Q8);
  const tlbL1i = new NaiveTlb(config.tlbL1i.entries, config.tlbL1i.ways, quirks.Q8, tlbL2);
  const tlbL1d = new NaiveTlb(config.tlbL1d.entries, config.tlbL1d.ways, quirks.Q8, tlbL2);
  const walkCaches = () =>
    [config.walkCacheLevel1, config.walkCacheLevel2, config.walkCacheLevel3].map(({ entries, ways }) => {
      const cache = new NaiveCache(entries, ways, 4);
      cache.repeatIsMemory = quirks.Q1;
      return cache;
    });
  const guestPwc = walkCaches();
  const hostPwc = walkCaches();
  const devices = { l1i, l1d, l2, llc, tlbL1i, tlbL1d, tlbL2 };

  let histogram: Record<string, number> = {};
  let requests = 0;
  let notFound = 0;
  let warmup = config.warmupReferences;
  let tlbWarmup = config.warmupReferences;

  const keyOf = (page: number, level: number) =>
    Math.floor(Number((BigInt(page) << 12n) >> BigInt(12 + 9 * (4 - level))) / (quirks.Q2 ? config.walkCacheReach : 1));
  const offsetOf = (page: number, level: number) => 8 * Number((BigInt(page) >> BigInt(9 * (4 - level))) & 511n);

  const read = (cache: NaiveCache, address: number, bytes: number, prefetch = false): number => {
    const first = Math.floor(address / config.lineBytes);
    const last = Math.floor((address + Math.max(bytes, 1) - 1) / config.lineBytes);
    const answers: number[] = [];
    for (let line = first; line <= last; line++) answers.push(cache.request(line, prefetch, first === last));
    if (quirks.Q9) return answers.at(-1)!;
    return answers.includes(0) ? 0 : Math.max(...answers);
  };

  const deepestOf = (caches: NaiveCache[], page: number): number => {
    let deepest = 0;
    for (const level of [3, 2, 1]) {
      const cache = caches[level - 1]!;
      const key = keyOf(page, level);
      let found: boolean;
      if (quirks.Q3) found = cache.request(key) !== 0;
      else {
        const repeated = cache.last === String(key);
        found = cache.entriesFor(key).some((entry) => entry?.key === String(key));
        if (found) cache.touch(key);
        if (repeated && quirks.Q1) found = false;
        cache.last = String(key);
      }
      if (found) deepest = Math.max(deepest, level);
    }
    return deepest;
  };

  const fill = (caches: NaiveCache[], page: number, deepest: number): void => {
    if (quirks.Q3) return;
    for (let level = deepest + 1; level <= 3; level++) {
      const cache = caches[level - 1]!;
      const key = keyOf(page, level);
      if (cache.entriesFor(key).some((entry) => entry?.key === String(key))) continue;
      cache.place(key);
      cache.touch(key);
    }
  };

  const walkHost = (page: number, cached: boolean): number[] => {
    const deepest = cached ? deepestOf(hostPwc, page) : 0;
    const row = host!.get(page)!;
    const steps = [1, 2, 3, 4].map((level) => {
      if (level < deepest) return 5;
      if (level === deepest) return 4;
      return read(l1d, row.columns[level - 1]! + offsetOf(page, level), 8);
    });
    if (cached) fill(hostPwc, page, deepest);
    return steps;
  };

  const walk = (page: number, row: NaiveRow): number[] => {
    const deepest = deepestOf(guestPwc, page);
    const steps: number[] = [];
    for (const level of [1, 2, 3, 4]) {
      const skipped = level <= deepest;
      if (host === undefined) {
        if (skipped) steps.push(level === deepest ? 4 : 5);
        else steps.push(read(l1d, row.columns[level - 1]! + offsetOf(page, level), 8));
      } else if (skipped) {
        steps.push(5, 5, 5, 5, level === deepest ? 4 : 5);
      } else {
        const table = Math.floor(row.columns[level - 1]! / 4096);
        steps.push(...walkHost(table, true));
        steps.push(read(l1d, host.get(table)!.target + offsetOf(page, level), 8));
      }
    }
    fill(guestPwc, page, deepest);
    if (host !== undefined) steps.push(...walkHost(Math.floor(row.target / 4096), !quirks.Q4));
    return steps;
  };

  const resetCaches = () => {
    histogram = {};
    for (const device of [l1i, l1d, l2, llc]) device.hits = device.misses = 0;
  };
  const resetTlbs = () => {
    for (const device of [tlbL1i, tlbL1d, tlbL2]) device.hits = device.misses = 0;
  };

  for (let i = 0; i < trace.length; i++) {
    const kind = trace.kind[i]!;
    const isEvent = kind >= AccessKind.noFetch;
    const neverFound = kind === AccessKind.noFetch || kind === AccessKind.threadExit;
    if (
      kind === AccessKind.other ||
      (neverFound && !quirks.Q7) ||
      (isEvent && !quirks.Q7 && kind !== AccessKind.marker)
    )
      continue;
    requests++;
    if (quirks.Q5 && warmup > 0) warmup--;
    if (kind === AccessKind.marker) continue;
    const page = trace.hi[i]! * 2 ** 20 + (trace.lo[i]! >>> 12);
    let hit = false;
    if (kind === AccessKind.fetch) hit = tlbL1i.request(page, 0);
    else if (kind <= AccessKind.store || (kind === AccessKind.prefetch && !quirks.Q6)) hit = tlbL1d.request(page, 0);
    if (quirks.Q5 && tlbWarmup > 0 && --tlbWarmup === 0) resetTlbs();
    const row = isEvent ? undefined : guest.get(page);
    const target =
      row === undefined ? undefined : host === undefined ? row.target : host.get(Math.floor(row.target / 4096))?.target;
    if (row === undefined) notFound++;
    if (row !== undefined && target !== undefined) {
      if (!hit) {
        const key = walk(page, row)
          .map((step) => labels[step])
          .join(',');
        histogram[key] = (histogram[key] ?? 0) + 1;
      }
      const address = target + (trace.lo[i]! & 4095);
      read(kind === AccessKind.fetch ? l1i : l1d, address, trace.size[i]!, kind === AccessKind.prefetch);
    } else if (quirks.Q5) continue;
    if (!isEvent && warmup > 0 && --warmup === 0) {
      resetCaches();
      if (!quirks.Q5) resetTlbs();
    }
  }
  const hits = Object.fromEntries(
    Object.entries(devices).flatMap(([name, device]) => [
      [`${name}.hits`, device.hits],
      [`${name}.misses`, device.misses],
    ]),
  );
  return { histogram, requests, notFound, hits };
}
