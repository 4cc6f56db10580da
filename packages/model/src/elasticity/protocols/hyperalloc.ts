import type { LLFreeZone } from '../guest.ts';
import { pagesPerHuge } from '../host-map.ts';
import type { Protocol, ProtocolParts } from './protocol.ts';

/** What the host knows of a 2 MiB frame (specification 2.1, R). */
const state = { installed: 0, soft: 1, hard: 2 } as const;

/**
 * HyperAlloc (EuroSys 2025; specification 2.1): the host takes 2 MiB frames straight from the guest's LLFree; a guest that is handed an evicted frame
 * asks for memory and waits. A passed-through device is cut off before the memory goes, and let in after it came.
 */
export function hyperallocProtocol({ guest, host, vfio, config, tell }: ProtocolParts): Protocol {
  const known = new Uint8Array(Math.ceil(guest.frames / pagesPerHuge));
  const hard: number[] = [];
  const zones = guest.zones.filter((zone): zone is LLFreeZone => zone.kind === 'llfree');
  /** Normal before DMA32, which old devices need (specification 2.1). */
  const byWish = [...zones].reverse();
  let nextTick = config.hyperalloc.periodSeconds;

  function unback(huge: number): void {
    if (vfio) host.unmapDma(huge);
    if (host.discardHuge(huge) > 0) host.count('zap2m');
  }

  function reclaimHard(): number {
    for (const zone of byWish) {
      const reclaimed = zone.host.reclaimHard();
      if (!reclaimed) continue;
      const huge = (zone.first + reclaimed.frame) / pagesPerHuge;
      host.count('reclaimState2m');
      if (!reclaimed.wasEvicted) unback(huge);
      known[huge] = state.hard;
      return huge;
    }
    return -1;
  }

  function softReclaimAll(): void {
    for (const zone of zones)
      for (let found = zone.host.reclaimSoft(); found; found = zone.host.reclaimSoft()) {
        const huge = (zone.first + found.frame) / pagesPerHuge;
        host.count('reclaimState2m');
        unback(huge);
        known[huge] = state.soft;
        tell?.({
          from: 'host',
          text: 'soft reclaim: evict a free frame',
          frame: huge * pagesPerHuge,
          pages: pagesPerHuge,
        });
      }
  }

  function install(huge: number): void {
    const zone = guest.zoneOf(huge * pagesPerHuge);
    if (zone.kind !== 'llfree') return;
    const frame = huge * pagesPerHuge - zone.first;
    if (!zone.host.isEvicted(frame)) return;
    const about = { frame: huge * pagesPerHuge, pages: pagesPerHuge };
    tell?.({ from: 'guest', text: 'install: ask for memory on this vCPU, then wait', ...about });
    host.count('install2m');
    host.populate(huge, true);
    if (vfio) host.mapDma(huge);
    known[huge] = state.installed;
    zone.host.install(frame);
    tell?.({ from: 'host', text: `populate${vfio ? ', map for the device' : ''}, clear the mark, answer`, ...about });
  }

  return {
    shrink(pages) {
      let taken = 0;
      for (; taken < pages; taken += pagesPerHuge) {
        const huge = reclaimHard();
        if (huge < 0) break;
        hard.push(huge);
        tell?.({
          from: 'host',
          text: 'hard reclaim: take a free frame out of the guest, which is not asked',
          frame: huge * pagesPerHuge,
          pages: pagesPerHuge,
        });
      }
      return taken;
    },
    grow(pages) {
      let given = 0;
      for (; given < pages && hard.length > 0; given += pagesPerHuge) {
        const huge = hard.pop()!;
        const zone = guest.zoneOf(huge * pagesPerHuge) as LLFreeZone;
        zone.host.returnFrame(huge * pagesPerHuge - zone.first);
        host.count('returnState2m');
        known[huge] = state.soft;
        tell?.({
          from: 'host',
          text: 'return: the frame is the guest’s again, still without memory',
          frame: huge * pagesPerHuge,
          pages: pagesPerHuge,
        });
      }
      return given;
    },
    advance(seconds) {
      for (; nextTick <= seconds; nextTick += config.hyperalloc.periodSeconds) softReclaimAll();
    },
    beforeUse(frame, pages) {
      const last = Math.floor((frame + pages - 1) / pagesPerHuge);
      for (let huge = Math.floor(frame / pagesPerHuge); huge <= last; huge++) install(huge);
    },
  };
}
