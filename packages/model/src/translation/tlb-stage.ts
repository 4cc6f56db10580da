import { type AccessBlock, AccessKind } from '../machine/accesses.ts';
import { linesPerPage, type PageLevel } from '../machine/address.ts';
import { StrataError } from '../machine/errors.ts';
import type { AddressSpace } from '../machine/page-table.ts';
import type { Tlb } from '../machine/tlb.ts';
import { type AccessStream, Touch } from './access-stream.ts';
import type { CoreAssignment } from './cores.ts';

/** Counts of this stage, restarted after warm-up. */
export interface TlbStageCounts {
  /** By `AccessKind`: load, store, fetch, prefetch. */
  readonly kinds: Float64Array;
  lines: number;
  walks: number;
  notMapped: number;
  notCanonical: number;
}

export interface TlbStageParts {
  readonly tlb: Tlb;
  readonly cores: CoreAssignment;
  readonly stream: AccessStream;
  readonly counts: TlbStageCounts;
  /** Of the process' tables: addresses of 48 bits with four, of 57 with five. */
  readonly levels: 4 | 5;
  /** Every process of the trace counts as process 0. */
  readonly oneForAll: boolean;
  /** The spaces of a process in the trace, from the process down. */
  spacesOf(process: number): readonly AddressSpace[];
  /** The stream has reached its limit: makes room. */
  makeRoom(): void;
  /** Runs the designs over the stream and empties it. */
  drain(): void;
}

export type TlbStageLoop = (block: AccessBlock, from: number, to: number) => void;

/** Highest 32 bits of a canonical address are all equal from this bit up (Intel SDM vol. 1, 3.3.7.1). */
export const canonicalShift = { 4: 47 - 32, 5: 56 - 32 } as const;
/** Bits of an address's high half that select table entries. */
export const translatedHigh = { 4: 0xffff, 5: 0x1ff_ffff } as const;

function isCanonical(hi: number, levels: 4 | 5): boolean {
  const sign = hi >> canonicalShift[levels];
  return sign === 0 || sign === -1;
}

/** The slow ways of the loop, the same for the interpreted and the printed one. */
export interface TlbStageSlow {
  /** Translates a page that the TLBs do not have, demand fault included, and fills the TLBs. Host frame, or -1 when it is in no table. */
  miss(core: number, page: number, vpn: number, isFetch: boolean, process: number): number;
  /** The lines of an access after its first. */
  further(block: AccessBlock, index: number, core: number, frame: number): void;
  event(kind: number, thread: number): void;
}

export function createSlowWays(parts: TlbStageParts): TlbStageSlow {
  const { tlb, cores, stream, counts, oneForAll, spacesOf, drain, levels } = parts;
  const highMask = translatedHigh[levels];

  function miss(core: number, page: number, vpn: number, isFetch: boolean, process: number): number {
    const spaces = spacesOf(process);
    let level = 3;
    let frame: number = vpn;
    for (let dimension = 0; dimension < spaces.length; dimension++) {
      const space = spaces[dimension]!;
      const above = frame;
      frame = space.table.translate(above);
      if (frame < 0) {
        // A fault changes tables: what was accessed before it is walked before it.
        drain();
        frame = space.ensure(above);
        if (frame < 0 && dimension > 0) throw notBacked(dimension, above);
        if (frame < 0) return -1;
      }
      level = Math.min(level, space.table.leafLevel(above));
    }
    tlb.fill(core, page, isFetch, process, frame, level as PageLevel);
    return frame;
  }

  function further(block: AccessBlock, index: number, core: number, firstFrame: number): void {
    const isFetch = block.kind[index] === AccessKind.fetch;
    const process = oneForAll ? 0 : block.process[index]!;
    let lines = ((block.lo[index]! & 63) + block.size[index]! - 1) >>> 6;
    let lo = block.lo[index]!;
    let hi = block.hi[index]!;
    let frame = firstFrame;
    for (; lines > 0; lines--) {
      lo = ((lo | 63) + 1) >>> 0;
      if (lo === 0) hi = (hi + 1) >>> 0;
      if (!isCanonical(hi, levels)) {
        counts.notCanonical++;
        return;
      }
      let walk = -1;
      if ((lo & 4095) === 0) {
        const page = (hi & highMask) * 1_048_576 + (lo >>> 12);
        frame = tlb.lookup(core, page, isFetch, process);
        if (frame < 0) {
          walk = hi * 1_048_576 + (lo >>> 12);
          frame = miss(core, page, walk, isFetch, process);
          if (frame < 0) {
            counts.notMapped++;
            return;
          }
          counts.walks++;
        }
      }
      const at = stream.length++;
      stream.line[at] = frame * linesPerPage + ((lo >>> 6) & 63);
      stream.walk[at] = walk;
      stream.core[at] = core;
      stream.touch[at] = isFetch ? Touch.fetch : Touch.data;
      stream.process[at] = process;
      counts.lines++;
    }
  }

  return {
    miss,
    further,
    event(kind, thread) {
      if (kind === AccessKind.threadExit) cores.exit(thread);
    },
  };
}

function notBacked(dimension: number, page: number): StrataError {
  return new StrataError({
    code: 'tables.guest-page-missing-in-host',
    what: `guest-physical page 0x${page.toString(16)}000 is not in the table of dimension ${dimension}`,
    mend: 'Dump the host table while the guest is running and fully backed, or let missing pages be backed on demand.',
  });
}

/** The loop as it is meant; `kernel.ts` prints the same with the geometry's constants in place. */
export function createTlbStage(parts: TlbStageParts, slow: TlbStageSlow): TlbStageLoop {
  const { tlb, cores, stream, counts, oneForAll, makeRoom, levels } = parts;
  const shift = canonicalShift[levels];
  const highMask = translatedHigh[levels];
  return (block, from, to) => {
    for (let index = from; index < to; index++) {
      const kind = block.kind[index]!;
      const thread = block.thread[index]!;
      if (kind > AccessKind.prefetch) {
        slow.event(kind, thread);
        continue;
      }
      const hi = block.hi[index]!;
      const sign = hi >> shift;
      if (sign !== 0 && sign !== -1) {
        counts.notCanonical++;
        continue;
      }
      const lo = block.lo[index]!;
      const page = (hi & highMask) * 1_048_576 + (lo >>> 12);
      const process = oneForAll ? 0 : block.process[index]!;
      const core = cores.coreOf(thread);
      const isFetch = kind === AccessKind.fetch;
      let walk = -1;
      let frame = tlb.lookup(core, page, isFetch, process);
      if (frame < 0) {
        walk = hi * 1_048_576 + (lo >>> 12);
        frame = slow.miss(core, page, walk, isFetch, process);
        if (frame < 0) {
          counts.notMapped++;
          continue;
        }
        counts.walks++;
      }
      counts.kinds[kind]!++;
      counts.lines++;
      const at = stream.length++;
      stream.line[at] = frame * linesPerPage + ((lo >>> 6) & 63);
      stream.walk[at] = walk;
      stream.core[at] = core;
      stream.touch[at] = isFetch ? Touch.fetch : Touch.data;
      stream.process[at] = process;
      if ((lo & 63) + block.size[index]! > 64) slow.further(block, index, core, frame);
      if (stream.length >= stream.limit) makeRoom();
    }
  };
}
