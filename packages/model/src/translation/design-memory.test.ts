import { describe, expect, it } from 'vitest';
import { guestPage } from '../machine/address.ts';
import { createDesignMemory, type DesignMemoryOptions } from './design-memory.ts';
import { singlePage } from './spaces.case.ts';

const level = { levels: 4, leaf: 1 } as const;
const silent = { mapped() {}, unmapped() {} };

function memoryOf(dimensions: 1 | 2 | 3, options: readonly DesignMemoryOptions[] = []) {
  const { spaces } = singlePage(Array.from({ length: dimensions }, () => level));
  const told: string[] = [];
  const memory = createDesignMemory(spaces, options, 42, {
    mapped: (dimension, vpn, frame) => told.push(`+${dimension} ${vpn} ${frame}`),
    unmapped: (dimension, vpn, frame) => told.push(`-${dimension} ${vpn} ${frame}`),
  });
  return { memory, spaces: memory.spacesFor(spaces, true), given: spaces, told };
}

describe('memory of a design', () => {
  it('maps every guest frame that a design takes, down to the host, and tells of it', () => {
    const { spaces, told } = memoryOf(3);
    const first = spaces[0]!.frames.allocateRange(3);
    for (let frame = first; frame < first + 3; frame++) {
      const middle = spaces[1]!.table.translate(guestPage(frame));
      expect(middle).toBeGreaterThan(0);
      expect(spaces[2]!.table.translate(guestPage(middle))).toBeGreaterThan(0);
      expect(told).toContain(`+1 ${frame} ${middle}`);
    }
  });

  it('leaves what the spaces map as it is, nodes and entries included', () => {
    const { spaces, given } = memoryOf(2);
    spaces[0]!.frames.allocate();
    given[1]!.table.forEachLeaf((vpn, frame, leaf) => {
      const { table } = spaces[1]!;
      expect(table.translate(vpn)).toBe(frame);
      for (let at = 4; at >= leaf; at--) expect(table.nodeAt(vpn, at)).toBe(given[1]!.table.nodeAt(vpn, at));
    });
  });

  it('can be walked from the root to its own pages', () => {
    const { spaces } = memoryOf(2);
    const page = spaces[0]!.frames.allocate() as number;
    const { table } = spaces[1]!;
    let node = 0;
    for (let at = 4; at > 1; at--) {
      expect(table.nodeAt(page, at)).toBe(node);
      node = Math.floor(table.entry(node, Math.floor(page / 512 ** (at - 1)) % 512) / 4);
    }
    expect(Math.floor(table.entry(node, page % 512) / 4)).toBe(table.translate(page));
  });

  it('gives a range that is contiguous in every dimension, and takes it back', () => {
    const { memory, spaces, told } = memoryOf(3);
    const range = memory.contiguous(0, 700)!;
    for (let index = 0; index < 700; index++) {
      const middle = spaces[1]!.table.translate(guestPage(range.frame + index));
      expect(spaces[2]!.table.translate(guestPage(middle))).toBe(range.hostFrame + index);
    }
    memory.releaseContiguous(0, range, 700);
    expect(spaces[1]!.table.translate(guestPage(range.frame))).toBe(-1);
    expect(told.filter((one) => one.startsWith('-')).length).toBe(1400);
  });

  it('has no 2 MiB block when it starts fully fragmented, and every one when it starts fresh', () => {
    expect(memoryOf(1, [{ frames: 2 ** 14, unusable: 1 }]).spaces[0]!.frames.allocateBlock(9)).toBe(-1);
    const { frames } = memoryOf(1, [{ frames: 2 ** 14 }]).spaces[0]!;
    for (let block = 0; block < 32; block++) expect(frames.allocateBlock(9)).toBeGreaterThan(0);
    expect(frames.allocateBlock(9)).toBe(-1);
  });

  it('is the same for the same seed', () => {
    const blocks = () => {
      const { frames } = memoryOf(1, [{ frames: 2 ** 16, unusable: 0.8 }]).spaces[0]!;
      return Array.from({ length: 20 }, () => frames.allocateBlock(9));
    };
    expect(blocks()).toEqual(blocks());
  });

  it('does without the observer when nothing lies below', () => {
    const { spaces } = singlePage([level]);
    const memory = createDesignMemory(spaces, [], 1, silent);
    expect(memory.contiguous(0, 4)?.frame).toBe(memory.contiguous(0, 4)!.frame - 4);
  });
});
