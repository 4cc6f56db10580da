import { describe, expect, it } from 'vitest';
import { AccessKind, createBlock, type MemoryEvent } from '../machine/index.ts';
import { resolveTranslationConfig } from './config.ts';
import { demandMachine } from './demand-spaces.ts';
import { designs } from './designs/index.ts';
import { createResizedVm } from './resizing.ts';
import { createSimulation } from './simulate.ts';

const config = resolveTranslationConfig(
  {
    setup: 'virtualized',
    designs: { radix: {} },
    spaces: { process: { page: '4k', memoryGiB: 0.0625 }, vm: { page: 'thp' } },
  },
  designs,
);

function run() {
  const machine = demandMachine(config);
  const vm = createResizedVm(machine);
  const simulation = createSimulation(config, () => machine.spaces, designs);
  const block = createBlock(64);
  block.length = 64;
  for (let at = 0; at < 64; at++) {
    block.lo[at] = 0x10_0000 + at * 4_096;
    block.kind[at] = AccessKind.load;
    block.size[at] = 8;
  }
  return { machine, vm, access: () => simulation.feed(block), finish: () => simulation.finish() };
}

const event = (kind: MemoryEvent['kind'], frame: number, pages: number): MemoryEvent => ({
  micros: 0,
  kind,
  frame,
  pages,
});

describe('a VM that is resized under a trace', () => {
  it('walks for each page again after a mapping below it has gone', () => {
    const { vm, access, finish } = run();
    access();
    access();
    vm.apply(event('ept-unmap', 512, 512));
    access();
    const { walks, tlb } = finish();
    expect([walks, tlb.shootdowns]).toEqual([2 * 64, 1]);
    expect(vm.counts).toEqual({ unmapped: 1, mapped: 0, splits: 0, refused: 0 });
  });

  it('splits a huge page of the host for a single page, which lengthens the walks of its neighbours', () => {
    const { machine, vm, access } = run();
    access();
    const [, host] = machine.spaces;
    const neighbour = machine.spaces[0]!.table.translate(0x100 as never) as never;
    expect(host!.table.leafLevel(neighbour)).toBe(2);
    for (let page = 0; page < 512; page++) vm.apply(event('ept-unmap', page, 1));
    expect(vm.counts).toMatchObject({ unmapped: 512, refused: 0 });
    expect(vm.counts.splits).toBeGreaterThan(0);
    expect(host!.table.leafLevel(neighbour)).toBe(1);
    // What the program uses stays mapped: its walks go on.
    expect(host!.table.translate(neighbour)).toBeGreaterThanOrEqual(0);
  });

  it('gives frames back, and refuses to take what the guest does not have', () => {
    const { machine, vm } = run();
    const free = machine.memories[0]!.freeFrames;
    for (let huge = 0; huge < 64; huge++) vm.apply(event('ept-unmap', huge * 512, 512));
    expect(vm.counts.refused).toBeGreaterThan(0);
    expect(machine.memories[0]!.freeFrames).toBe(free - vm.counts.unmapped * 512);
    for (let huge = 0; huge < 64; huge++) vm.apply(event('ept-map', huge * 512, 512));
    expect(machine.memories[0]!.freeFrames).toBe(free);
    expect(vm.counts.mapped).toBe(vm.counts.unmapped);
    vm.apply(event('iommu-unmap', 0, 512));
    vm.apply(event('ept-map', 7, 1));
    expect(machine.memories[0]!.freeFrames).toBe(free);
  });
});
