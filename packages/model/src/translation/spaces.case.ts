import { type Frame, type PageLevel, pagesIn } from '../machine/address.ts';
import { importedSpace } from '../machine/operating-system/index.ts';
import type { AddressSpace, FrameSource, MutablePageTable } from '../machine/page-table.ts';
import { createPageTable } from '../machine/radix-table.ts';
import { createRandom } from '../machine/random.ts';
import { dimensionsOf, type Setup } from './design.ts';

/** Address spaces for tests: few pages, every size and depth, each mapping known. */
export interface TestSpaces {
  readonly spaces: readonly AddressSpace[];
  /** Pages that are mapped in every dimension, with the host frame that the tables were told. */
  readonly pages: readonly { readonly vpn: number; readonly frame: Frame }[];
}

/** Frames in ascending order with gaps, each handed out once. */
function sparseFrames(gap: () => number): FrameSource {
  let next = 1;
  const take = (count: number, alignment: number): Frame => {
    const first = Math.ceil((next + gap()) / alignment) * alignment;
    next = first + count;
    return first;
  };
  return {
    allocate: () => take(1, 1),
    allocateBlock: (order) => take(2 ** order, 2 ** order),
    allocateRange: (count) => take(count, 1),
    free: () => {},
  };
}

interface Layer {
  readonly table: MutablePageTable;
  readonly space: AddressSpace;
  readonly frames: FrameSource;
}

/** One layer per entry of `levels`, its root backed below; `levelFor` says the size of the leaf that maps a page. */
function buildLayers(levels: readonly (4 | 5)[], gap: () => number, levelFor: (dimension: number) => PageLevel) {
  const layers: Layer[] = [];
  /** Maps the page and what it needs below; returns its host frame. */
  function map(dimension: number, page: number): Frame {
    const layer = layers[dimension];
    if (layer === undefined) return page;
    const { table, frames } = layer;
    if (table.translate(page) < 0) mapLeaf(dimension, page, levelFor(dimension));
    for (let level = table.levels as number; level >= 1; level--) {
      const node = table.nodeAt(page, level);
      if (node >= 0) map(dimension + 1, table.frameOf(node));
    }
    return map(dimension + 1, table.translate(page));

    function mapLeaf(_dimension: number, at: number, wanted: PageLevel): void {
      const level = wanted > 1 && table.nodeAt(at, wanted - 1) >= 0 ? 1 : wanted;
      const first = at - (at % pagesIn[level]);
      const frame = frames.allocateBlock(Math.log2(pagesIn[level]));
      table.map(first, frame as Frame, level, () => frames.allocate());
    }
  }
  for (const [dimension, depth] of levels.entries()) {
    const frames = sparseFrames(gap);
    const addresses = dimension === 0 ? 'virtual' : 'physical';
    const table = createPageTable({ levels: depth, rootFrame: frames.allocate(), addresses });
    layers.push({ table, frames, space: importedSpace(table, frames) });
  }
  return { spaces: layers.map(({ space }) => space), map: (vpn: number) => ({ vpn, frame: map(0, vpn) }) };
}

/** One page mapped, each dimension with that many levels and that leaf. */
export function singlePage(
  dimensions: readonly { readonly levels: 4 | 5; readonly leaf: PageLevel }[],
  vpn = 0x7f123,
): TestSpaces {
  const { spaces, map } = buildLayers(
    dimensions.map(({ levels }) => levels),
    () => 0,
    (dimension) => dimensions[dimension]!.leaf,
  );
  return { spaces, pages: [map(vpn)] };
}

/** Random pages in a few clusters, leaves of every size at every dimension, four or five levels. */
export function randomSpaces(setup: Setup, seed: number, count = 24): TestSpaces {
  const random = createRandom(seed);
  const sizes = [1, 1, 1, 2, 2, 3] as const;
  const { spaces, map } = buildLayers(
    Array.from({ length: dimensionsOf[setup] }, () => (random.below(2) === 0 ? 4 : 5)),
    () => random.below(64),
    () => sizes[random.below(sizes.length)]!,
  );
  const clusters = Array.from({ length: 3 }, () => random.below(2 ** 34));
  const pages = new Map<number, Frame>();
  for (let drawn = 0; drawn < count; drawn++) {
    const vpn = clusters[random.below(clusters.length)]! + random.below(4 ** (1 + random.below(8)));
    const page = map(vpn);
    pages.set(page.vpn, page.frame);
  }
  return { spaces, pages: [...pages].map(([vpn, frame]) => ({ vpn, frame })) };
}
