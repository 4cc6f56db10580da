/** For whom a translation is asked. */
export const RequestKind = { demand: 0, prefetch: 1 } as const;

/** Translations under way, as arrays indexed by request number; numbers are used again. */
export class Requests {
  kind = new Uint8Array(64);
  domain = new Int32Array(64);
  /** Key of the requester's context entry, and its PASID. */
  requester = new Int32Array(64);
  pasid = new Int32Array(64);
  vpn = new Float64Array(64);
  bytes = new Int32Array(64);
  packet = new Int32Array(64);
  /** The answer: frame of the 4 KiB page or -1 for a fault, and level of the leaf. */
  frame = new Float64Array(64);
  level = new Uint8Array(64);
  /** Level of the page in a trace, for a page that is mapped when it is first asked for. */
  asked = new Uint8Array(64);
  /** Entries that the agent has to read before it can look the page up: 1 = context, 2 = PASID. */
  missing = new Uint8Array(64);
  /** The next request that waits for the same thing; -1 = none. */
  next = new Int32Array(64);
  /** Of a request that leads: the last that waits for it. */
  last = new Int32Array(64);
  /** Position among all translations of the input; what `explain` names. */
  position = new Float64Array(64);
  live = 0;
  #free: number[] = [];
  #created = 0;

  create(): number {
    this.live++;
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const request = this.#created++;
    if (request === this.kind.length) this.#grow();
    return request;
  }

  release(request: number): void {
    this.live--;
    this.#free.push(request);
  }

  #grow(): void {
    const capacity = this.kind.length * 2;
    this.kind = grown(this.kind, new Uint8Array(capacity));
    this.domain = grown(this.domain, new Int32Array(capacity));
    this.requester = grown(this.requester, new Int32Array(capacity));
    this.pasid = grown(this.pasid, new Int32Array(capacity));
    this.vpn = grown(this.vpn, new Float64Array(capacity));
    this.bytes = grown(this.bytes, new Int32Array(capacity));
    this.packet = grown(this.packet, new Int32Array(capacity));
    this.frame = grown(this.frame, new Float64Array(capacity));
    this.level = grown(this.level, new Uint8Array(capacity));
    this.asked = grown(this.asked, new Uint8Array(capacity));
    this.missing = grown(this.missing, new Uint8Array(capacity));
    this.last = grown(this.last, new Int32Array(capacity));
    this.next = grown(this.next, new Int32Array(capacity));
    this.position = grown(this.position, new Float64Array(capacity));
  }
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
