import { StrataError } from '../machine/index.ts';
import { childShift, type Layout, localWords } from './layout.ts';
import { type LLFreeMemory, openMemory, wordsOf } from './llfree.ts';
import { LowerAllocator } from './lower.ts';
import { Reservations } from './reservations.ts';
import { TreeTable } from './trees.ts';
import { AeUpper, type Reclaimed } from './versions/ae.ts';
import { ExclusiveWords, type Words } from './words.ts';

/**
 * HyperAlloc's monitor looking at the guest's allocator: it takes huge frames out of a running guest and gives them back without asking it. It shares
 * bits, counters and trees with the guest but searches with reservations of its own, which sharing would corrupt.
 */
export class HostView {
  private readonly frames: number;
  private readonly lower: LowerAllocator;
  private readonly upper: AeUpper;

  /** Use attachHost(). */
  constructor(words: Words, layout: Layout) {
    const locals = new Reservations(new ExclusiveWords(new Int32Array(localWords(1))), 0, 1);
    this.frames = layout.frames;
    this.lower = new LowerAllocator(words, layout);
    this.upper = new AeUpper({ lower: this.lower, trees: new TreeTable(words, layout), locals, cores: 1 });
  }

  /** Shrinks the guest by one wholly free huge frame; undefined if none is free outside the guest's reservations. */
  reclaimHard(): Reclaimed | undefined {
    return this.upper.reclaimHard(0);
  }

  /** Marks one wholly free huge frame evicted: the guest may still take it but must have it installed first. */
  reclaimSoft(): Reclaimed | undefined {
    return this.upper.reclaimSoft(0);
  }

  /** Grows the guest by a huge frame that was hard-reclaimed; it stays evicted. @throws StrataError `llfree.not-reclaimed`. */
  returnFrame(frame: number): void {
    if (this.upper.returnFrame(this.requireHuge(frame))) return;
    throw new StrataError({
      code: 'llfree.not-reclaimed',
      what: `the huge frame at ${frame} is returned but was not hard-reclaimed`,
    });
  }

  /** Clears the evicted mark once memory is there; false if it was clear, as when another core asked first. */
  install(frame: number): boolean {
    return this.lower.install(this.requireHuge(frame) >> childShift);
  }

  isEvicted(frame: number): boolean {
    return this.lower.isEvicted(this.requireHuge(frame) >> childShift);
  }

  private requireHuge(frame: number): number {
    if (Number.isInteger(frame) && frame >= 0 && frame < this.frames) return frame;
    throw new StrataError({
      code: 'llfree.frame',
      what: 'no such frame',
      expected: `0 to ${this.frames - 1}`,
      found: String(frame),
    });
  }
}

/** The host's view of the allocator in `memory`. @throws StrataError `llfree.memory`, or `llfree.reclaim` for a version that cannot reclaim. */
export function attachHost(memory: LLFreeMemory): HostView {
  const { words, layout, version } = openMemory(memory);
  if (version === 'ae') return new HostView(wordsOf(words), layout);
  throw new StrataError({
    code: 'llfree.reclaim',
    what: `the allocator is of version ${version}, whose huge frames a host cannot reclaim`,
    expected: 'version ae',
    found: version,
  });
}
