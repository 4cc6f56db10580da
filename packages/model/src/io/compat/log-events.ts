/** Events of a collector log, 64-bit values as two words, signed or unsigned: as signed ones they cost nothing to hand over. The parser calls these in the order of the lines. */
export interface LogEvents {
  pageUpdate(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    slpteLo: number,
    slpteHi: number,
    level: number,
    domain: number,
  ): void;
  pageHit(
    sid: number,
    iovaLo: number,
    iovaHi: number,
    maskLo: number,
    maskHi: number,
    slpteLo: number,
    slpteHi: number,
    domain: number,
  ): void;
  contextUpdate(
    bus: number,
    devfn: number,
    highLo: number,
    highHi: number,
    lowLo: number,
    lowHi: number,
    generation: number,
  ): void;
  tableFetch(
    highLo: number,
    highHi: number,
    iovaLo: number,
    iovaHi: number,
    level: number,
    tableLo: number,
    tableHi: number,
    entryLo: number,
    entryHi: number,
  ): void;
}
