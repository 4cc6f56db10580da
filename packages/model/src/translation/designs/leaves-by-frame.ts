import type { Frame, Vpn } from '../../machine/address.ts';

/**
 * Which pages a shadow table may map to a frame: what a hypervisor keeps to find the entries of a page that it moves (KVM's reverse map).
 * Entries may be stale, so what is found is looked up once more; a page that is found is forgotten.
 */
export class LeavesByFrame {
  /** By first frame of a leaf: its page, or several pages. */
  private readonly pages = new Map<Frame, Vpn | Set<Vpn>>();

  add(frame: Frame, page: Vpn): void {
    const known = this.pages.get(frame);
    if (known === undefined) this.pages.set(frame, page);
    else if (typeof known !== 'number') known.add(page);
    else if (known !== page) this.pages.set(frame, new Set([known, page]));
  }

  /** Pages of leaves that begin in one of `count` frames from `first` on, ascending. */
  take(first: Frame, count: number): Vpn[] {
    const found: Vpn[] = [];
    for (let frame = first; frame < first + count && this.pages.size > 0; frame++) {
      const known = this.pages.get(frame);
      if (known === undefined) continue;
      if (typeof known === 'number') found.push(known);
      else found.push(...known);
      this.pages.delete(frame);
    }
    return found.sort((a, b) => a - b);
  }
}
