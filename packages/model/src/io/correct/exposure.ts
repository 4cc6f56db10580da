/** From the moment that memory goes back to the operating system until no device can reach it any more. */
export interface VulnerabilityWindow {
  /** Pages given back. */
  readonly pages: number;
  /** Of them, those that a device could still reach then. */
  readonly exposedPages: number;
  /** Over all pages given back; those not reachable any more count as 0. */
  readonly mean: number;
  readonly max: number;
  /** Pages whose window was open at the end of the run; they are not in `mean` and `max`. */
  readonly stillOpen: number;
}

/** Measures the windows of the pages that a scheme gives back. Memory grows with the windows open at a time. */
export class Exposure {
  #pages = 0;
  #exposed = 0;
  #sum = 0;
  #max = 0;
  /** Domain to page to the times it was given back at. */
  readonly #open = new Map<number, Map<number, number>>();
  readonly #isForEver: boolean;

  /** @param isForEver no window ever closes: they are counted, not kept */
  constructor(isForEver: boolean) {
    this.#isForEver = isForEver;
  }

  /** @param isReachable whether a device can reach the page at that moment */
  release(domain: number, vpn: number, time: number, isReachable: boolean): void {
    this.#pages++;
    if (!isReachable) return;
    this.#exposed++;
    if (this.#isForEver) return;
    let pages = this.#open.get(domain);
    if (pages === undefined) {
      pages = new Map();
      this.#open.set(domain, pages);
    }
    if (!pages.has(vpn)) pages.set(vpn, time);
  }

  /** Nothing that was cached of that range is left. */
  close(domain: number, vpn: number, count: number, time: number): void {
    const pages = this.#open.get(domain);
    if (pages === undefined || pages.size === 0) return;
    if (count <= pages.size) {
      for (let page = vpn; page < vpn + count; page++) this.#closeOne(pages, page, time);
      return;
    }
    for (const page of pages.keys()) if (page >= vpn && page < vpn + count) this.#closeOne(pages, page, time);
  }

  #closeOne(pages: Map<number, number>, page: number, time: number): void {
    const since = pages.get(page);
    if (since === undefined) return;
    pages.delete(page);
    this.#sum += time - since;
    this.#max = Math.max(this.#max, time - since);
  }

  result(): VulnerabilityWindow {
    let stillOpen = this.#isForEver ? this.#exposed : 0;
    for (const pages of this.#open.values()) stillOpen += pages.size;
    const measured = this.#pages - stillOpen;
    return {
      pages: this.#pages,
      exposedPages: this.#exposed,
      mean: measured === 0 ? 0 : this.#sum / measured,
      max: this.#max,
      stillOpen,
    };
  }
}
