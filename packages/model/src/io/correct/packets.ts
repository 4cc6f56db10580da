/** Packets (or commands) that the device holds, as arrays indexed by packet number; numbers are used again. */
export class Packets {
  arrival = new Float64Array(64);
  domain = new Int32Array(64);
  bytes = new Int32Array(64);
  /** Its ring and slot; -1 = addresses as recorded. */
  ring = new Int32Array(64);
  slot = new Int32Array(64);
  /** The first of its requests, linked by `next`; how many are not through. */
  first = new Int32Array(64);
  pending = new Int32Array(64);
  isRefused = new Uint8Array(64);
  live = 0;
  readonly #free: number[] = [];
  #created = 0;
  readonly #requesters = new Map<number, number>();
  readonly #sharesRequester: boolean;

  /** @param sharesRequester all tenants are PASIDs of one function */
  constructor(sharesRequester = false) {
    this.#sharesRequester = sharesRequester;
  }

  /** A domain's requester ID, as last seen. */
  identify(domain: number, requester: number): void {
    if (!this.#sharesRequester && this.#requesters.get(domain) !== requester) this.#requesters.set(domain, requester);
  }

  requesterOf(domain: number): number {
    return this.#requesters.get(domain) ?? 0;
  }

  pasidOf(domain: number): number {
    return this.#sharesRequester ? domain : 0;
  }

  create(arrival: number, domain: number, bytes: number): number {
    this.live++;
    const packet = this.#free.pop() ?? this.#created++;
    if (packet >= this.arrival.length) this.#grow();
    this.arrival[packet] = arrival;
    this.domain[packet] = domain;
    this.bytes[packet] = bytes;
    this.ring[packet] = -1;
    this.slot[packet] = -1;
    this.first[packet] = -1;
    this.pending[packet] = 0;
    this.isRefused[packet] = 0;
    return packet;
  }

  release(packet: number): void {
    this.live--;
    this.#free.push(packet);
  }

  #grow(): void {
    const capacity = this.arrival.length * 2;
    this.arrival = grown(this.arrival, new Float64Array(capacity));
    this.domain = grown(this.domain, new Int32Array(capacity));
    this.bytes = grown(this.bytes, new Int32Array(capacity));
    this.ring = grown(this.ring, new Int32Array(capacity));
    this.slot = grown(this.slot, new Int32Array(capacity));
    this.first = grown(this.first, new Int32Array(capacity));
    this.pending = grown(this.pending, new Int32Array(capacity));
    this.isRefused = grown(this.isRefused, new Uint8Array(capacity));
  }
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
