/**
 * Demands in flight, as arrays indexed by request number; numbers are used again. The queues hold events: a demand as its request number
 * times two, a prefetch as the number of its page times two plus one, for a page is all that there is to know of it.
 */
export class Requests {
  page = new Int32Array(1024);
  /** Per request: when it was issued, the sum of its stages' latencies so far, the position of the next access to its page. */
  times = new Float64Array(4 * 1024);
  #free = new Int32Array(1024);
  #freeCount = 0;
  #created = 0;

  create(page: number, nextAccess: number, issuedAt: number): number {
    const request = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#created++;
    if (request === this.page.length) this.#grow();
    this.page[request] = page;
    this.times[request * 4 + RequestTime.issuedAt] = issuedAt;
    this.times[request * 4 + RequestTime.latency] = 0;
    this.times[request * 4 + RequestTime.nextAccess] = nextAccess;
    return request;
  }

  /** Waiting for a queue's turn is not in the latency, as in the original's flow statistics. */
  delay(request: number, nanoseconds: number): void {
    this.times[request * 4 + RequestTime.latency]! += nanoseconds;
  }

  release(request: number): void {
    this.#free[this.#freeCount++] = request;
  }

  #grow(): void {
    const capacity = this.page.length * 2;
    this.page = grown(this.page, new Int32Array(capacity));
    this.times = grown(this.times, new Float64Array(4 * capacity));
    this.#free = grown(this.#free, new Int32Array(capacity));
  }
}

/** `times[request * 4 + RequestTime.x]` */
export const RequestTime = { issuedAt: 0, latency: 1, nextAccess: 2 } as const;

/** Records that wait for their slot: what is left of the last block. */
export class Pending {
  length = 0;
  #page = new Int32Array(1024);
  #nextAccess = new Float64Array(1024);
  #first = 0;

  get firstPage(): number {
    return this.#page[this.#first]!;
  }

  get firstNextAccess(): number {
    return this.#nextAccess[this.#first]!;
  }

  push(page: number, nextAccess: number): void {
    if (this.#first + this.length === this.#page.length) this.#makeRoom();
    this.#page[this.#first + this.length] = page;
    this.#nextAccess[this.#first + this.length] = nextAccess;
    this.length++;
  }

  dropFirst(): void {
    this.#first++;
    this.length--;
    if (this.length === 0) this.#first = 0;
  }

  #makeRoom(): void {
    const capacity = this.length * 2 > this.#page.length ? this.#page.length * 2 : this.#page.length;
    const page = new Int32Array(capacity);
    const nextAccess = new Float64Array(capacity);
    page.set(this.#page.subarray(this.#first, this.#first + this.length));
    nextAccess.set(this.#nextAccess.subarray(this.#first, this.#first + this.length));
    this.#page = page;
    this.#nextAccess = nextAccess;
    this.#first = 0;
  }
}

function grown<T extends Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
