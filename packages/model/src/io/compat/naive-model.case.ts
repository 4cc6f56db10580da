/**
 * The original's model stepped nanosecond by nanosecond over plain objects, as specs/io.md 2.2 to 2.6 writes it down: slow, and obviously so.
 * The oracle of the property tests; shares nothing with the event-driven one but the order of the C++ library's heap, which it spells out itself.
 */
export interface NaiveRequest {
  readonly sid: number;
  readonly did: number;
  readonly iova: number;
  readonly level: 1 | 2;
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

/** Least recently used over arrays of keys, oldest first. Contexts are kept by LFU in the original; without evictions both are the same. */
class Lru {
  hit = 0;
  miss = 0;
  conflict = 0;
  readonly #sets: string[][];
  readonly #ways: number;

  constructor(sets: number, ways: number) {
    this.#sets = Array.from({ length: sets }, () => []);
    this.#ways = ways;
  }

  lookup(set: number, key: string): boolean {
    const keys = this.#sets[set]!;
    const at = keys.indexOf(key);
    if (at === -1) return false;
    keys.push(...keys.splice(at, 1));
    return true;
  }

  access(set: number, key: string): boolean {
    if (this.lookup(set, key)) {
      this.hit++;
      return true;
    }
    this.miss++;
    const keys = this.#sets[set]!;
    if (keys.length === this.#ways) {
      keys.shift();
      this.conflict++;
    }
    keys.push(key);
    return false;
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

export function naiveRun(config: NaiveConfig, trace: readonly NaiveRequest[]) {
  const { tlb: tlbShape, l2: l2Shape, l3: l3Shape } = config;
  const context = new Set<number>();
  const tlb = new Lru(tlbShape.entries / tlbShape.ways, tlbShape.ways);
  const l2 = new Lru(l2Shape.entries / l2Shape.ways, l2Shape.ways);
  const l3 = new Lru(l3Shape.entries / l3Shape.ways, l3Shape.ways);
  const buffer = new Lru(1, config.bufferEntries);
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
    contextHit: 0,
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

  /** One nanosecond; whether a demand completed. */
  function cycle(now: number): boolean {
    const fromContext = contextQueue.release(now);
    if (fromContext !== undefined) {
      if (context.has(fromContext.sid)) counts.contextHit++;
      context.add(fromContext.sid);
      const inTlb = tlb.lookup(tlbSet(fromContext), key(fromContext, fromContext.level));
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
      else if (h2) fillQueue.push(inPages, now + 49);
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
    if (cacheable(done.did, 0, g.tlb)) tlb.access(tlbSet(done), key(done, done.level));
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
          contextQueue.push({ ...request, prefetch: false }, now + (context.has(request.sid) ? 1 : 1000));
          issued++;
          inFlight++;
        }
      } else {
        dropped++;
      }
    }
    if (ended) break;
    if (cycle(now)) inFlight--;
    now++;
  }
  while (inFlight > 0) {
    if (cycle(now)) inFlight--;
    now++;
  }
  const of = ({ hit, miss, conflict }: Lru) => ({ hit, miss, conflict });
  return { timeNs: now, translations: issued, packetsDropped: dropped, tlb: of(tlb), l2: of(l2), l3: of(l3), counts };
}
