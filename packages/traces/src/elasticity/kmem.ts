import type { Demand } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import { createDemandBuilder } from './demand-builder.ts';
import { type Placement, placementOf, type Replay } from './placement.ts';

const pageMib = 1 / 256;
const hugeMib = 2;
const framesPerHuge = 512;
const mibPerGib = 1024;
const largestOrder = 18;
const largestFrame = 2 ** 40;

/** One event of the page allocator. */
export interface PageEvent {
  readonly cpu: number;
  readonly seconds: number;
  readonly frame: number;
  readonly order: number;
  readonly allocates: boolean;
  readonly migrateType: number;
}

/** What a trace of the page allocator left unsaid or contradicts. */
export interface KmemCounts {
  readonly allocations: number;
  readonly frees: number;
  /** Frees of pages that were allocated before the trace began. */
  readonly unknownFrees: number;
  /** Frees of a part of a block. */
  readonly splits: number;
  /** Allocations of pages that were in use already: events were lost. */
  readonly reallocations: number;
  readonly otherLines: number;
  /** Allocations for which the allocator of a replay had no room. */
  readonly refused: number;
}

const pattern =
  /\[(\d+)\].*?\s(\d+\.\d+):\s+(?:kmem:)?(mm_page_alloc|mm_page_free):\s+(?:page=\S+\s+)?pfn=(0x[0-9a-f]+|\d+)\s+order=(\d+)(?:\s+migratetype=(\d+))?/;

/** A line of perf script, ftrace or trace-cmd report. `mm_page_free_batched` repeats `mm_page_free` and is left out. */
export function pageEventOf(line: string): PageEvent | undefined {
  const match = pattern.exec(line);
  if (match === null) return undefined;
  const event = {
    cpu: Number(match[1]),
    seconds: Number(match[2]),
    frame: Number(match[4]),
    order: Number(match[5]),
    allocates: match[3] === 'mm_page_alloc',
    migrateType: Number(match[6] ?? 0),
  };
  return event.order <= largestOrder && event.frame < largestFrame ? event : undefined;
}

export interface KmemReader {
  /** @param isCutOff the line is the last and not ended by a line break: it is passed over, as its numbers may be too */
  line(text: string, number?: number, isCutOff?: boolean): void;
  finish(): { readonly demand: Demand; readonly counts: KmemCounts };
}

export interface KmemOptions {
  readonly totalMib?: number;
  /** Time between two samples; default 0.1. */
  readonly everySeconds?: number;
  /** Who places pages: the kernel that was recorded (default), or one of our allocators with the same requests. */
  readonly replay?: Replay;
  /** Places pages instead of `replay`. */
  readonly placement?: Placement;
}

/**
 * Replays the page allocator's events: pages in use and 2 MiB frames that are not wholly free. What was in use before the trace began is
 * unknown, so the curves are a lower bound.
 */
export function createKmemReader(
  path: string,
  { totalMib, everySeconds = 0.1, replay = 'recorded', ...given }: KmemOptions,
): KmemReader {
  const placement = given.placement ?? placementOf(replay, totalMib, path);
  let began = Number.NaN;
  /** Where the replay put the block that the trace has at a frame. */
  const placed = new Map<number, number>();
  const blocks = new Map<number, number>();
  const perFrame = new Map<number, number>();
  const builder = createDemandBuilder();
  const counts = { allocations: 0, frees: 0, unknownFrees: 0, splits: 0, reallocations: 0, otherLines: 0, refused: 0 };
  let pages = 0;
  let highest = 0;
  let sampled = Number.NEGATIVE_INFINITY;
  let now = Number.NaN;

  function occupy(frame: number, order: number, sign: 1 | -1): void {
    pages += sign * 2 ** order;
    for (let at = frame, left = 2 ** order; left > 0; ) {
      const huge = Math.floor(at / framesPerHuge);
      const here = Math.min(left, (huge + 1) * framesPerHuge - at);
      const used = (perFrame.get(huge) ?? 0) + sign * here;
      if (used > 0) perFrame.set(huge, used);
      else perFrame.delete(huge);
      at += here;
      left -= here;
    }
  }

  function vacate(frame: number, order: number, cpu: number): void {
    const own = placed.get(frame)!;
    placed.delete(frame);
    placement.give(cpu, own, order);
    occupy(own, order, -1);
  }

  function release({ frame, order, cpu }: PageEvent): void {
    const held = blocks.get(frame);
    if (held !== undefined && held <= order) {
      blocks.delete(frame);
      vacate(frame, held, cpu);
      return;
    }
    const around = held !== undefined ? frame : blockAround(frame);
    if (around < 0) {
      counts.unknownFrees++;
      return;
    }
    // A part of a block: the block becomes what is left of it.
    counts.splits++;
    let size = blocks.get(around)!;
    const own = placed.get(around)!;
    const keep = (start: number) => {
      blocks.set(start, size);
      placed.set(start, own + start - around);
    };
    blocks.delete(around);
    placed.set(frame, own + frame - around);
    for (let start = around; size > order; ) {
      size--;
      const upper = start + 2 ** size;
      if (frame >= upper) {
        keep(start);
        start = upper;
      } else keep(upper);
    }
    vacate(frame, order, cpu);
  }

  function blockAround(frame: number): number {
    for (let order = 1; order <= largestOrder; order++) {
      const start = frame - (frame % 2 ** order);
      const held = blocks.get(start);
      if (held !== undefined && start + 2 ** held > frame) return start;
    }
    return -1;
  }

  function sample(): void {
    builder.add(
      {
        seconds: now,
        usedMib: pages * pageMib,
        usedHugeMib: placement.usedHugeMib ?? perFrame.size * hugeMib,
        residentMib: placement.residentMib ?? Number.NaN,
        totalMib: Number.NaN,
      },
      path,
    );
    sampled = now;
  }

  return {
    line(text, _, isCutOff = false) {
      const event = isCutOff ? undefined : pageEventOf(text);
      if (event === undefined) {
        counts.otherLines++;
        return;
      }
      const { frame, order, allocates, cpu } = event;
      if (Number.isNaN(now)) {
        now = event.seconds;
        began = now;
        sample();
      } else if (event.seconds - sampled >= everySeconds && now > sampled) sample();
      // Buffers of several processors are merged imperfectly: time never goes back here.
      now = Math.max(now, event.seconds);
      placement.advance?.(now - began);
      highest = Math.max(highest, frame + 2 ** order);
      if (allocates) {
        counts.allocations++;
        if (blocks.has(frame) || blockAround(frame) >= 0) {
          counts.reallocations++;
          release(event);
        }
        const own = placement.take(cpu, frame, order, event.migrateType);
        if (own < 0) {
          counts.refused++;
          return;
        }
        blocks.set(frame, order);
        placed.set(frame, own);
        occupy(own, order, 1);
      } else {
        counts.frees++;
        release(event);
      }
    },
    finish() {
      if (counts.allocations + counts.frees === 0)
        throw new StrataError({
          code: 'elastic.bad-demand',
          what: 'no event of the page allocator',
          where: path,
          expected: 'lines with mm_page_alloc and mm_page_free, as perf script, trace-cmd report or ftrace print them',
          found: `${counts.otherLines} other lines`,
        });
      if (now > sampled) sample();
      const wholeGib = Math.ceil((highest * pageMib) / mibPerGib) * mibPerGib;
      const demand = builder.finish(path, path, { allocator: placement.allocator, totalMib: totalMib ?? wholeGib });
      return { demand, counts };
    },
  };
}
