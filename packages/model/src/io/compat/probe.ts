import { compatLatencies } from './model.ts';

/** One thing that a translation of the original's model waited for, or met on its way. */
export interface CompatStep {
  readonly what: string;
  readonly outcome: string;
  /** Of simulated time; the steps add up to the time from issue to completion. */
  readonly nanoseconds: number;
}

/** Notes what happens to one translation. Without a position it watches none. */
export class CompatProbe {
  readonly steps: CompatStep[] = [];
  /** Number of the request watched; -1 = not issued yet, or done. */
  request = -1;
  /** Set at completion: what the original reports, in which waiting for a queue's turn is not counted. */
  reportedNs: number | undefined;
  /** True when the model loses the request (quirk Q6). */
  isLost = false;
  /** Of the translation among all of the trace, from 0. */
  readonly position: number;
  #since = 0;

  constructor(position = -1) {
    this.position = position;
  }

  begin(request: number, time: number): void {
    this.request = request;
    this.#since = time;
  }

  /** @param time when it is over */
  note(time: number, what: string, outcome: string): void {
    this.steps.push({ what, outcome, nanoseconds: time - this.#since });
    this.#since = time;
  }

  atDevice(now: number, inTlb: boolean, inBuffer: boolean): void {
    this.#release(now);
    this.note(now, 'device TLB', inTlb ? 'hit' : 'miss');
    this.note(now, 'prefetch buffer', inBuffer ? 'hit' : 'miss');
    if (inTlb || inBuffer) this.note(now + compatLatencies.deviceTlbHitNs - 1, 'device', 'answers itself');
    else this.note(now + compatLatencies.pcieOneWayNs, 'PCIe', 'request to the IOMMU');
  }

  inPageCaches(now: number, level: number, inL2: boolean, inL3: boolean): void {
    const { pageCacheHitNs, pcieOneWayNs, memoryNs } = compatLatencies;
    this.#release(now);
    this.note(now, 'L2 page cache (2 MiB)', inL2 ? 'hit' : 'miss');
    this.note(now, 'L3 page cache (1 GiB)', inL3 ? 'hit' : 'miss');
    if (inL2 && level === 2) {
      this.note(now + pageCacheHitNs - 1, 'leaf', 'found in the L2 page cache, no read');
      this.note(now + pageCacheHitNs - 1 + pcieOneWayNs, 'PCIe', 'answer to the device');
    } else if (inL2 && level !== 1) {
      this.note(now, 'request', 'lost: the original forgets a 1 GiB page that hits the L2 page cache (quirk Q6)');
      this.request = -1;
      this.isLost = true;
    } else if (inL3 && level === 3) {
      this.note(now + pageCacheHitNs - 1, 'leaf', 'found in the L3 page cache; the way back takes no time (quirk Q6)');
    } else {
      // Quirk Q5: hits of the L3 page cache are dearer than misses for 4 KiB pages.
      const reads = inL2 ? 1 : inL3 ? 3 - level : level;
      for (let read = 1; read <= reads; read++)
        this.note(now + read * memoryNs - (read === reads ? 1 : 0), 'page table', `read ${read} of ${reads}`);
    }
  }

  /** @param inL2, inL3 whether it was there; undefined when the cache takes no such domain */
  fillsPageCaches(now: number, inL2: boolean | undefined, inL3: boolean | undefined): void {
    this.#release(now);
    this.note(now, 'L2 page cache (2 MiB)', filling(inL2));
    this.note(now, 'L3 page cache (1 GiB)', filling(inL3));
    this.note(now + compatLatencies.pcieOneWayNs, 'PCIe', 'answer to the device');
  }

  complete(now: number, inTlb: boolean | undefined, reportedNs: number): void {
    this.#release(now);
    this.note(now, 'device TLB', filling(inTlb));
    this.request = -1;
    this.reportedNs = reportedNs;
  }

  /** Its queue lets it go: later than it was due when others left first. */
  #release(time: number): void {
    if (time > this.#since) this.note(time, 'queue', 'waits: one event leaves per nanosecond');
  }
}

function filling(wasThere: boolean | undefined): string {
  if (wasThere === undefined) return 'takes no such domain';
  return wasThere ? 'has it already' : 'takes it in';
}
