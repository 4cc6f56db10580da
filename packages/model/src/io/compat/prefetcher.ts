import { LruCache } from './cache.ts';

/** What the original's log prints about the prefetcher, named as in reference/io/run_main.jsonl. */
export interface PrefetchCounts {
  readonly accesses: number;
  readonly correct: number;
  readonly incorrect: number;
  readonly made: number;
  readonly newMap: number;
  readonly sameSid: number;
  readonly diffSid: number;
  readonly fillSame: number;
  readonly fill: number;
  readonly bufferHit: number;
  readonly bufferMiss: number;
  readonly historyHit: number;
  readonly historyMiss: number;
  readonly sids: number;
}

const sidCount = 65_536;
const none = -1;

/**
 * Words of a SID's record: the SID that follows it, plus one (0 = not learned), and a ring of its last pages, each as the number of the
 * page and that of its address, which the history statistic compares.
 */
const SidField = { next: 0, length: 1, start: 2, history: 3 } as const;

/**
 * Learns once which SID follows which after `distance` + 1 translations, and asks for the last pages of the SID that it expects
 * (specs/io.md 2.6). "Correct" compares the prediction with the next translation's SID, not with the one it is for (quirk Q9).
 */
export class SidPrefetcher {
  /** Pages to prefetch after `probe`: the first `requests` elements. */
  readonly pages: Int32Array;
  requests = 0;
  #accesses = 0;
  #correct = 0;
  #incorrect = 0;
  #made = 0;
  #newMap = 0;
  #same = 0;
  #different = 0;
  #fill = 0;
  #fillSame = 0;
  #bufferHit = 0;
  #bufferMiss = 0;
  #historyHit = 0;
  #historyMiss = 0;
  #sids = 0;
  readonly #buffer: LruCache | undefined;
  readonly #depth: number;
  readonly #distance: number;
  /** Per SID one record: see `SidField`. */
  readonly #sidRecords: Int32Array;
  readonly #recordShift: number;
  readonly #recent: Int32Array;
  #recentStart = 0;
  #recentLength = 0;
  #previous = none;
  #predicted = none;

  constructor(bufferEntries: number, depth: number, distance: number) {
    this.#buffer = bufferEntries > 0 ? new LruCache(1, bufferEntries) : undefined;
    this.#depth = depth;
    this.#distance = distance;
    this.#recordShift = Math.ceil(Math.log2(SidField.history + 2 * depth));
    this.#sidRecords = new Int32Array(sidCount << this.#recordShift);
    this.#recent = new Int32Array(distance);
    this.pages = new Int32Array(depth);
  }

  /** @param key number of (page, domain) */
  lookup(key: number): boolean {
    const hit = this.#buffer?.lookup(key) === true;
    if (hit) this.#bufferHit++;
    else this.#bufferMiss++;
    return hit;
  }

  fill(key: number): void {
    this.#fill++;
    if (this.#buffer === undefined) return;
    if (this.#buffer.access(key, 0, 0)) this.#fillSame++;
  }

  /** Notes one translation. @param page its number, @param address number of its page address whatever the domain */
  probe(sid: number, page: number, address: number): void {
    this.#accesses++;
    this.#remember(sid, page, address);
    if (this.#predicted !== none) {
      if (this.#predicted === sid) this.#correct++;
      else this.#incorrect++;
    }
    this.#predicted = this.#sidRecords[sid << this.#recordShift]! - 1;
    this.requests = 0;
    if (this.#predicted !== none) {
      this.#made++;
      this.#copyHistory(this.#predicted);
    }
    this.#learn(sid);
  }

  counts(): PrefetchCounts {
    return {
      accesses: this.#accesses,
      correct: this.#correct,
      incorrect: this.#incorrect,
      made: this.#made,
      newMap: this.#newMap,
      sameSid: this.#same,
      diffSid: this.#different,
      fillSame: this.#fillSame,
      fill: this.#fill,
      bufferHit: this.#bufferHit,
      bufferMiss: this.#bufferMiss,
      historyHit: this.#historyHit,
      historyMiss: this.#historyMiss,
      sids: this.#sids,
    };
  }

  #remember(sid: number, page: number, address: number): void {
    const records = this.#sidRecords;
    const record = sid << this.#recordShift;
    const first = record + SidField.history;
    const length = records[record + SidField.length]!;
    const end = first + 2 * length;
    let known = false;
    for (let entry = first; entry < end; entry += 2) if (records[entry + 1] === address) known = true;
    if (known) this.#historyHit++;
    else this.#historyMiss++;
    if (length === 0) this.#sids++;
    let at = end;
    if (length === this.#depth) {
      const oldest = records[record + SidField.start]!;
      at = first + 2 * oldest;
      records[record + SidField.start] = oldest + 1 === this.#depth ? 0 : oldest + 1;
    } else {
      records[record + SidField.length] = length + 1;
    }
    records[at] = page;
    records[at + 1] = address;
  }

  #copyHistory(sid: number): void {
    const records = this.#sidRecords;
    const record = sid << this.#recordShift;
    const length = records[record + SidField.length]!;
    let at = records[record + SidField.start]!;
    for (let entry = 0; entry < length; entry++) {
      this.pages[entry] = records[record + SidField.history + 2 * at]!;
      at = at + 1 === this.#depth ? 0 : at + 1;
    }
    this.requests = length;
  }

  #learn(sid: number): void {
    if (this.#previous !== none) {
      if (this.#previous === sid) {
        this.#same++;
      } else {
        this.#different++;
        const next = (this.#previous << this.#recordShift) + SidField.next;
        if (this.#sidRecords[next] === 0) {
          this.#sidRecords[next] = sid + 1;
          this.#newMap++;
        }
      }
    }
    if (this.#recentLength === this.#distance) {
      this.#previous = this.#recent[this.#recentStart]!;
      this.#recent[this.#recentStart] = sid;
      this.#recentStart = this.#recentStart + 1 === this.#distance ? 0 : this.#recentStart + 1;
    } else {
      this.#recent[this.#recentLength++] = sid;
    }
  }
}
