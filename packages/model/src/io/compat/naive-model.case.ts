/**
 * The original's model stepped nanosecond by nanosecond over plain objects, as specs/io.md 2.2 to 2.6 writes it down: slow, and obviously so.
 * The oracle of the property tests; shares nothing with the event-driven one but the order of the C++ library's heap, which it spells out itself.
 */
export interface NaiveRequest {
  readonly sid: number;
  readonly did: number;
  readonly iova: number;
  readonly level: 1 | 2 | 3;
  /** Position of the next request for the same page and domain. */
  readonly nextAccess: number;
}

export interface NaiveCache {
  readonly entries: number;
  readonly ways: number;
  readonly partitions: number;
}

export interface NaiveConfig {
  readonly tlb: NaiveCache;
  readonly l2: NaiveCache;
  readonly l3: NaiveCache;
  readonly context: NaiveCache;
  readonly bufferEntries: number;
  readonly historyDepth: number;
  readonly distance: number;
  readonly queueEntries: number;
  readonly linkGbps: number;
  readonly inOrder: boolean;
  readonly selective: boolean;
  readonly replacement: 'lru' | 'lfu' | 'oracle';
}

interface Event extends NaiveRequest {
  readonly prefetch: boolean;
}

interface Timed {
  readonly event: Event;
  readonly time: number;
}

const pageSize: Readonly<Record<number, number>> = { 1: 2 ** 12, 2: 2 ** 21, 3: 2 ** 30 };

function page(request: NaiveRequest, level: number = request.level): number {
  return request.iova - (request.iova % pageSize[level]!);
}

/** What a set holds about a key. `hash` is the C++ library's. */
interface Entry {
  readonly key: string;
  readonly hash: bigint;
  count: number;
  nextAccess: number;
}

/** An unordered map of the C++ library as the list it iterates over (specs/io.md 1.6). */
class HashList {
  entries: Entry[] = [];
  #buckets = 1n;

  insert(entry: Entry): void {
    const size = this.entries.length + 1;
    if (this.#buckets === 1n) this.#rehash(13n);
    else if (size > Number(this.#buckets)) this.#rehash(this.#buckets === 13n ? 29n : 59n);
    this.#link(entry);
  }

  #rehash(buckets: bigint): void {
    const before = this.entries;
    this.#buckets = buckets;
    this.entries = [];
    for (const entry of before) this.#link(entry);
  }

  #link(entry: Entry): void {
    const first = this.entries.findIndex((other) => other.hash % this.#buckets === entry.hash % this.#buckets);
    this.entries.splice(Math.max(0, first), 0, entry);
  }
}

/** glibc's `rand()` after `srand(1)`, as its well-known formula over one growing array. */
function rand(): () => number {
  const r = [1];
  for (let i = 1; i < 31; i++) r.push(Number((16807n * BigInt(r[i - 1]!)) % 2147483647n));
  for (let i = 31; i < 34; i++) r.push(r[i - 31]!);
  const next = () => r.push((r[r.length - 3]! + r[r.length - 31]!) % 2 ** 32);
  while (r.length < 344) next();
  return () => {
    next();
    return Math.floor(r.at(-1)! / 2);
  };
}

/** Sets of entries with each policy written out; LRU keeps the keys by their last use, oldest first. */
class Cache {
  hit = 0;
  miss = 0;
  conflict = 0;
  readonly #sets: HashList[];
  readonly #recency: string[][];
  readonly #ways: number;
  readonly #policy: 'lru' | 'lfu' | 'oracle';
  readonly #random: () => number;

  constructor(sets: number, ways: number, policy: 'lru' | 'lfu' | 'oracle', random: () => number) {
    this.#sets = Array.from({ length: sets }, () => new HashList());
    this.#recency = Array.from({ length: sets }, () => []);
    this.#ways = ways;
    this.#policy = policy;
    this.#random = random;
  }

  lookup(set: number, key: string, nextAccess = Infinity): boolean {
    const list = this.#sets[set]!;
    const entry = list.entries.find((other) => other.key === key);
    if (entry === undefined) return false;
    entry.nextAccess = nextAccess;
    entry.count++;
    if (entry.count === 15) for (const other of list.entries) other.count = Math.floor(other.count / 2);
    const recency = this.#recency[set]!;
    recency.push(...recency.splice(recency.indexOf(key), 1));
    return true;
  }

  access(set: number, key: string, nextAccess = Infinity, hash = 0n): boolean {
    if (this.lookup(set, key, nextAccess)) {
      this.hit++;
      return true;
    }
    this.miss++;
    const list = this.#sets[set]!;
    const recency = this.#recency[set]!;
    if (list.entries.length === this.#ways) {
      const victim = this.#victim(list.entries, recency);
      list.entries.splice(list.entries.indexOf(victim), 1);
      recency.splice(recency.indexOf(victim.key), 1);
      this.conflict++;
    }
    list.insert({ key, hash, count: 0, nextAccess });
    recency.push(key);
    return false;
  }

  #victim(entries: readonly Entry[], recency: readonly string[]): Entry {
    if (this.#policy === 'lru') return entries.find(({ key }) => key === recency[0])!;
    if (this.#policy === 'oracle') {
      const last = Math.max(...entries.map(({ nextAccess }) => nextAccess));
      return entries.find(({ nextAccess }) => nextAccess === last)!;
    }
    const least = Math.min(...entries.map(({ count }) => count));
    const candidates = entries.filter(({ count }) => count === least);
    return candidates[this.#random() % candidates.length]!;
  }
}

function setOf({ entries, ways, partitions }: NaiveCache, did: number, bits: number): number {
  const indexBits = Math.floor(Math.log2(entries / ways));
  const partitionBits = Math.floor(Math.log2(partitions));
  const rest = 2 ** (indexBits - partitionBits);
  return (did % 2 ** partitionBits) * rest + (bits % rest);
}

/** `std::priority_queue` on time alone, or a plain first-in first-out queue. */
class Queue {
  readonly #items: Timed[] = [];
  readonly #inOrder: boolean;

  constructor(inOrder: boolean) {
    this.#inOrder = inOrder;
  }

  push(event: Event, time: number): void {
    this.#items.push({ event, time });
    if (!this.#inOrder) this.#siftUp(this.#items.length - 1);
  }

  release(now: number): Event | undefined {
    const first = this.#items[0];
    if (first === undefined || first.time > now) return undefined;
    if (this.#inOrder) return this.#items.shift()!.event;
    const last = this.#items.pop()!;
    const length = this.#items.length;
    if (length === 0) return first.event;
    let hole = 0;
    while (2 * (hole + 1) < length) {
      let child = 2 * (hole + 1);
      if (this.#items[child]!.time > this.#items[child - 1]!.time) child--;
      this.#items[hole] = this.#items[child]!;
      hole = child;
    }
    if (length % 2 === 0 && hole === (length - 2) / 2) {
      this.#items[hole] = this.#items[length - 1]!;
      hole = length - 1;
    }
    this.#items[hole] = last;
    this.#siftUp(hole);
    return first.event;
  }

  #siftUp(from: number): void {
    let at = from;
    while (at > 0 && this.#items[(at - 1) >> 1]!.time > this.#items[at]!.time) {
      const parent = (at - 1) >> 1;
      [this.#items[at], this.#items[parent]] = [this.#items[parent]!, this.#items[at]!];
      at = parent;
    }
  }
}

/** What a run counts, or that it lost a request and would loop for ever (quirk Q6). */
export function naiveRun(config: NaiveConfig, trace: readonly NaiveRequest[]) {
  const { tlb: tlbShape, l2: l2Shape, l3: l3Shape } = config;
  const random = rand();
  const context = new Cache(config.context.entries / config.context.ways, config.context.ways, 'lfu', random);
  const tlb = new Cache(tlbShape.entries / tlbShape.ways, tlbShape.ways, config.replacement, random);
  const l2 = new Cache(l2Shape.entries / l2Shape.ways, l2Shape.ways, 'lru', random);
  const l3 = new Cache(l3Shape.entries / l3Shape.ways, l3Shape.ways, 'lru', random);
  const buffer = new Cache(1, config.bufferEntries, 'lru', random);
  const [contextQueue, pageQueue, fillQueue, tlbQueue] = Array.from({ length: 4 }, () => new Queue(config.inOrder)) as [
    Queue,
    Queue,
    Queue,
    Queue,
  ];
  const history = new Map<number, NaiveRequest[]>();
  const next = new Map<number, number>();
  const recent: number[] = [];
  let previous: number | undefined;
  let predicted: number | undefined;
  const counts = {
    correct: 0,
    incorrect: 0,
    made: 0,
    newMap: 0,
    same: 0,
    different: 0,
    historyHit: 0,
    fill: 0,
    fillSame: 0,
    bufferHit: 0,
  };

  function probe(request: NaiveRequest): NaiveRequest[] {
    const own = history.get(request.sid) ?? [];
    history.set(request.sid, own);
    if (own.some((other) => page(other) === page(request))) counts.historyHit++;
    if (own.length === config.historyDepth) own.shift();
    own.push(request);
    if (predicted !== undefined) {
      if (predicted === request.sid) counts.correct++;
      else counts.incorrect++;
    }
    predicted = next.get(request.sid);
    let asked: NaiveRequest[] = [];
    if (predicted !== undefined) {
      counts.made++;
      asked = [...(history.get(predicted) ?? [])];
    }
    if (previous !== undefined) {
      if (previous === request.sid) counts.same++;
      else {
        counts.different++;
        if (!next.has(previous)) {
          next.set(previous, request.sid);
          counts.newMap++;
        }
      }
    }
    if (recent.length === config.distance) previous = recent.shift();
    recent.push(request.sid);
    return asked;
  }

  const g = { tlb: tlbShape.partitions, l2: l2Shape.partitions, l3: l3Shape.partitions };
  const cacheable = (did: number, from: number, count: number) =>
    !config.selective || (did >= from && did < from + count);
  const key = (request: NaiveRequest, level: number) => `${page(request, level)}/${request.did}`;
  const tlbSet = (r: NaiveRequest) => setOf(tlbShape, r.did, Math.floor(r.iova / 2 ** 21));
  const l2Set = (r: NaiveRequest) => setOf(l2Shape, r.did, Math.floor(r.iova / 2 ** 21));
  const l3Set = (r: NaiveRequest) => setOf(l3Shape, r.did, Math.floor(r.iova / 2 ** 30));

  const contextSet = (r: NaiveRequest) => setOf(config.context, r.did, r.sid);
  let lost = false;

  /** One nanosecond; whether a demand completed. */
  function cycle(now: number): boolean {
    const fromContext = contextQueue.release(now);
    if (fromContext !== undefined) {
      context.access(contextSet(fromContext), String(fromContext.sid), Infinity, BigInt(fromContext.sid));
      const inTlb = tlb.lookup(tlbSet(fromContext), key(fromContext, fromContext.level), fromContext.nextAccess);
      const inBuffer = config.bufferEntries > 0 && buffer.lookup(0, key(fromContext, fromContext.level));
      if (inBuffer) counts.bufferHit++;
      if (inTlb || inBuffer) tlbQueue.push(fromContext, now + 1);
      else pageQueue.push(fromContext, now + 450);
      for (const asked of probe(fromContext)) pageQueue.push({ ...asked, prefetch: true }, now + 500);
    }
    const inPages = pageQueue.release(now);
    if (inPages !== undefined) {
      const h2 = l2.lookup(l2Set(inPages), key(inPages, 2));
      const h3 = l3.lookup(l3Set(inPages), key(inPages, 3));
      if (h2 && inPages.level === 2) tlbQueue.push(inPages, now + 454);
      else if (h2 && inPages.level === 1) fillQueue.push(inPages, now + 49);
      else if (h2) lost ||= !inPages.prefetch;
      else if (h3 && inPages.level === 3) tlbQueue.push(inPages, now + 4);
      else if (h3) fillQueue.push(inPages, now + 50 * (3 - inPages.level) - 1);
      else fillQueue.push(inPages, now + 50 * inPages.level - 1);
    }
    const fills = fillQueue.release(now);
    if (fills !== undefined) {
      if (cacheable(fills.did, g.tlb, g.l2)) l2.access(l2Set(fills), key(fills, 2));
      if (cacheable(fills.did, g.tlb + g.l2, g.l3)) l3.access(l3Set(fills), key(fills, 3));
      tlbQueue.push(fills, now + 450);
    }
    const done = tlbQueue.release(now);
    if (done === undefined) return false;
    if (done.prefetch) {
      counts.fill++;
      if (config.bufferEntries > 0 && buffer.access(0, key(done, done.level))) counts.fillSame++;
      return false;
    }
    if (cacheable(done.did, 0, g.tlb)) {
      const hash = BigInt.asUintN(64, (BigInt(page(done)) << 16n) | BigInt(done.did));
      tlb.access(tlbSet(done), key(done, done.level), done.nextAccess, hash);
    }
    return true;
  }

  const interval = Math.floor(12336 / config.linkGbps);
  let now = 0;
  let inFlight = 0;
  let issued = 0;
  let dropped = 0;
  for (let ended = false; ; ) {
    if (now % interval === 0) {
      if (inFlight < config.queueEntries) {
        for (let part = 0; part < 3 && !ended; part++) {
          const request = trace[issued];
          if (request === undefined) {
            ended = true;
            break;
          }
          const hit = context.lookup(contextSet(request), String(request.sid));
          contextQueue.push({ ...request, prefetch: false }, now + (hit ? 1 : 1000));
          issued++;
          inFlight++;
        }
      } else {
        dropped++;
      }
    }
    if (ended) break;
    if (cycle(now)) inFlight--;
    if (lost) return 'lost';
    now++;
  }
  while (inFlight > 0) {
    if (cycle(now)) inFlight--;
    if (lost) return 'lost';
    now++;
  }
  const of = ({ hit, miss, conflict }: Cache) => ({ hit, miss, conflict });
  return {
    timeNs: now,
    translations: issued,
    packetsDropped: dropped,
    context: of(context),
    tlb: of(tlb),
    l2: of(l2),
    l3: of(l3),
    counts,
  };
}
