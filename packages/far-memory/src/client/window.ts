import type { InFlight } from './in-flight.ts';

/** What is in flight on a connection: objects, and bytes of objects. */
export interface Window {
  readonly objects: number;
  /** Objects of demand reads alone. */
  readonly demandObjects: number;
  readonly bytes: number;
  /** Bytes of prefetches and write-backs. */
  readonly backgroundBytes: number;
  enter(entry: InFlight): void;
  leave(entry: InFlight): void;
  clear(): void;
}

export function createWindow(): Window {
  let objects = 0;
  let demandObjects = 0;
  let bytes = 0;
  let backgroundBytes = 0;

  /** @param sign 1 to count it, -1 to count it no more */
  function count(entry: InFlight, sign: 1 | -1): void {
    if (entry.kind !== 'reads' && entry.kind !== 'writes') return;
    const isDemand = entry.kind === 'reads' && !entry.isBackground;
    const entryObjects = entry.kind === 'reads' ? entry.batch.reads.length : entry.writes.length;
    objects += sign * entryObjects;
    bytes += sign * entry.bytes;
    if (isDemand) demandObjects += sign * entryObjects;
    else backgroundBytes += sign * entry.bytes;
  }

  return {
    get objects() {
      return objects;
    },
    get demandObjects() {
      return demandObjects;
    },
    get bytes() {
      return bytes;
    },
    get backgroundBytes() {
      return backgroundBytes;
    },
    enter: (entry) => count(entry, 1),
    leave: (entry) => count(entry, -1),
    clear() {
      objects = 0;
      demandObjects = 0;
      bytes = 0;
      backgroundBytes = 0;
    },
  };
}
