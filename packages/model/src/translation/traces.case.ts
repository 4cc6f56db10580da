import { type AccessBlock, AccessKind, createBlock } from '../machine/accesses.ts';
import { createRandom } from '../machine/random.ts';

/** One access of a test's trace; what is left out is a load of 8 bytes by thread 0 of process 0. */
export interface TestAccess {
  readonly address: number | bigint;
  readonly kind?: AccessKind;
  readonly size?: number;
  readonly thread?: number;
  readonly process?: number;
}

export function blockOf(accesses: readonly TestAccess[]): AccessBlock {
  const block = createBlock(Math.max(1, accesses.length));
  for (const { address, kind = AccessKind.load, size = 8, thread = 0, process = 0 } of accesses) {
    const at = block.length++;
    block.lo[at] = Number(BigInt(address) & 0xffff_ffffn);
    block.hi[at] = Number(BigInt(address) >> 32n);
    block.kind[at] = kind;
    block.size[at] = size;
    block.thread[at] = thread;
    block.process[at] = process;
  }
  return block;
}

/** The same accesses in blocks that end where `cuts` says. */
export function split(accesses: readonly TestAccess[], cuts: readonly number[]): AccessBlock[] {
  const ends = [...new Set(cuts.map((cut) => cut % (accesses.length + 1))), accesses.length].sort((a, b) => a - b);
  return ends.map((end, index) => blockOf(accesses.slice(index === 0 ? 0 : ends[index - 1], end)));
}

/** Loads, stores, fetches and prefetches of several threads, of all sizes and alignments, hot and cold, in both halves of the address space. */
export function randomTrace(seed: number, length: number, processes = 1): TestAccess[] {
  const random = createRandom(seed);
  const regions = [0x40_0000n, 0x7f12_3456_7000n, 0xffff_8000_0010_0000n];
  const kinds = [AccessKind.load, AccessKind.store, AccessKind.fetch, AccessKind.prefetch] as const;
  return Array.from({ length }, () => {
    const region = regions[random.below(regions.length)]!;
    const reach = 4096 * 4 ** random.below(7);
    return {
      address: region + BigInt(random.below(reach)),
      kind: random.below(200) === 0 ? AccessKind.threadExit : kinds[random.below(4)]!,
      size: random.below(12) === 0 ? random.below(9000) : random.below(17),
      thread: random.below(5),
      process: random.below(processes),
    };
  });
}
