/** One thing that a DMA waited for. */
export interface IoStep {
  readonly what: string;
  readonly outcome: string;
  readonly nanoseconds: number;
}

/** What a DMA is: whose, for what, and where. */
export interface IoSubject {
  readonly part: string;
  readonly domain: number;
  readonly requester: number;
  readonly pasid: number;
  readonly vpn: number;
  readonly bytes: number;
  /** Ring and slot of the packet; -1 = addresses as recorded. */
  readonly ring: number;
  readonly slot: number;
}

/** Notes what happens to one translation: each step lasts from the step before it, so that the steps add up to the whole. */
export class Probe {
  readonly steps: IoStep[] = [];
  /** Undefined until the input has come to the translation, and for ever if its packet is lost. */
  subject: IoSubject | undefined;
  /** Number of the request watched; -1 = not issued yet, or done. */
  request = -1;
  /** Position of the translation to watch among all of the input; -1 = none. */
  readonly position: number;
  #since = 0;

  constructor(position: number) {
    this.position = position;
  }

  /** When the last step ended. */
  get since(): number {
    return this.#since;
  }

  begin(request: number, time: number): void {
    this.request = request;
    this.#since = time;
  }

  /** Something that took no time of its own: a cache asked beside others. */
  mark(what: string, outcome: string): void {
    this.steps.push({ what, outcome, nanoseconds: 0 });
  }

  note(time: number, what: string, outcome: string): void {
    this.steps.push({ what, outcome, nanoseconds: time - this.#since });
    this.#since = time;
  }
}
