import { describe, expect, test } from 'vitest';
import { resolve } from '../machine/fields.ts';
import { createRandom } from '../machine/index.ts';
import { elasticityFields } from './config.ts';
import { xeon6252 } from './costs.ts';
import { memoryEventsOf, translationEventsOf } from './events.ts';
import { pagesPerHuge } from './host-map.ts';
import { createLinuxBuddy } from './linux-buddy.ts';
import { techniques } from './techniques/index.ts';
import { reportPasses } from './techniques/reporting-pass.ts';
import type { ResizePlan, Technique } from './techniques/technique.ts';
import { createElasticVm, type ElasticVm } from './vm.ts';

const config = resolve(elasticityFields);
const technique = (name: string): Technique => techniques.get(name);
const totalMib = 256;
const movedMib = 128;

/** Takes all the memory there is in single pages, writing it or not, and gives it all back. */
function fillAndEmpty(vm: ElasticVm, written: boolean): number {
  const handles: number[] = [];
  for (let handle = vm.allocate(0, 0, true, written); handle >= 0; handle = vm.allocate(0, 0, true, written))
    handles.push(handle);
  for (const handle of handles.reverse()) vm.free(0, handle);
  for (const zone of vm.guest.zones) if (zone.kind === 'buddy') zone.buddy.drain();
  return handles.length;
}

function counts(vm: ElasticVm): Record<string, number> {
  return Object.fromEntries([...vm.host.operations].filter(([, count]) => count > 0).sort());
}

function planned(operations: ResizePlan[keyof ResizePlan]): Record<string, number> {
  return Object.fromEntries(
    operations
      .filter(({ count }) => count > 0)
      .map(({ cost, count }): [string, number] => [cost, Math.round(count)])
      .sort(),
  );
}

const cases = [...techniques]
  .filter((each) => typeof each.resize !== 'string')
  .flatMap((each) =>
    [false, true]
      .filter((vfio) => !vfio || each.dmaSafe === true)
      .flatMap((vfio) =>
        [true, false].flatMap((touched) =>
          [true, false].map((first) => ({ name: each.name, technique: each, vfio, touched, first })),
        ),
      ),
  );

describe('page by page, a technique does what its plan for a resize says', () => {
  test.each(cases)(
    '$name, vfio $vfio, touched $touched, first resize $first',
    ({ technique, vfio, touched, first }) => {
      const vm = createElasticVm({
        technique,
        totalMib,
        bootMib: totalMib - movedMib,
        lowMib: totalMib - movedMib,
        vfio,
        config,
      });
      if (touched) fillAndEmpty(vm, true);
      if (!first) {
        vm.resizeTo(totalMib - movedMib);
        vm.resizeTo(totalMib);
        if (touched) fillAndEmpty(vm, true);
      }
      const gib = (mib: number) => mib / 1024;
      if (typeof technique.resize === 'string') throw new Error('not resizable');
      const plan = technique.resize({
        movedGib: gib(movedMib),
        touchedAfterGib: gib(totalMib),
        touched,
        vfio,
        first,
      });
      vm.host.resetCounts();
      expect(vm.resizeTo(totalMib - movedMib)).toBe(totalMib - movedMib);
      expect(counts(vm)).toEqual(planned(plan.shrink));
      expect(vm.host.eptInvalidations).toBe(translationEventsOf(plan.shrink).eptInvalidations);
      expect(vm.host.hugePageSplits).toBe(translationEventsOf(plan.shrink).hugePageSplits);
      vm.host.resetCounts();
      expect(vm.resizeTo(totalMib)).toBe(totalMib);
      expect(counts(vm)).toEqual(planned(plan.grow));
      if (!touched) return;
      vm.host.resetCounts();
      expect(fillAndEmpty(vm, true)).toBe(totalMib * 256);
      expect(counts(vm)).toEqual(planned(plan.touch));
      expect(vm.host.violations()).toEqual([]);
    },
  );
});

describe('free page reporting', () => {
  test('names as many blocks in each pass as the closed form of its rule', () => {
    const total = 4096;
    const vm = createElasticVm({ technique: technique('free-page-reporting'), totalMib: total, vfio: false, config });
    const handles: number[] = [];
    for (let handle = vm.allocate(0, 10, true); handle >= 0; handle = vm.allocate(0, 10, true)) handles.push(handle);
    expect(vm.residentMib).toBe(total);
    for (const handle of handles) vm.free(0, handle);
    const blocks = (mib: number) => ({ freeBlocks: mib / 4, pendingBlocks: mib / 4 });
    const expected = reportPasses([blocks(3072), blocks(total - 3072)]);
    let resident = total;
    for (const [pass, gib] of expected.entries()) {
      vm.advance((pass + 1) * config.reporting.delaySeconds);
      expect((resident - vm.residentMib) / 1024).toBeCloseTo(gib, 9);
      resident = vm.residentMib;
    }
    expect(resident).toBe(0);
  });

  test('names a block again once it was used and freed', () => {
    const vm = createElasticVm({ technique: technique('free-page-reporting'), totalMib: 64, vfio: false, config });
    fillAndEmpty(vm, true);
    vm.advance(100);
    expect(vm.residentMib).toBe(0);
    vm.free(0, vm.allocate(0, 10, true));
    expect(vm.residentMib).toBe(4);
    vm.advance(102);
    expect(vm.residentMib).toBe(0);
  });

  test('of single pages leaves nothing resident but what is used and what lies on lists of processors', () => {
    const small = resolve(elasticityFields, { reporting: { order: 0 } });
    const vm = createElasticVm({
      technique: technique('free-page-reporting'),
      totalMib: 64,
      vfio: false,
      config: small,
    });
    const kept = Array.from({ length: 5000 }, () => vm.allocate(0, 0, true));
    for (const [at, handle] of kept.entries()) if (at % 2) vm.free(0, handle);
    vm.advance(1000);
    expect(vm.residentMib * 256).toBeGreaterThanOrEqual(vm.guest.usedPages);
    // A list of a processor holds at most 378 pages, of which none is named.
    expect(vm.residentMib * 256).toBeLessThanOrEqual(vm.guest.usedPages + 378);
  });
});

describe('HyperAlloc', () => {
  test('after each tick only frames of 2 MiB in use are resident, and reserved trees', () => {
    const vm = createElasticVm({ technique: technique('hyperalloc'), totalMib: 512, vfio: true, config });
    const handles = Array.from({ length: 20_000 }, () => vm.allocate(0, 0, true));
    for (const handle of handles.slice(300)) vm.free(0, handle);
    vm.advance(config.hyperalloc.periodSeconds);
    const zone = vm.guest.zones[0]!;
    if (zone.kind !== 'llfree') throw new Error('not LLFree');
    const partlyUsed = Array.from({ length: 256 }, (_, huge) => zone.llfree.hugeFrame(huge).free).filter(
      (free) => free < pagesPerHuge,
    ).length;
    expect(vm.residentMib).toBeGreaterThanOrEqual(partlyUsed * 2);
    // One core holds at most one tree of 16 MiB per kind.
    expect(vm.residentMib).toBeLessThanOrEqual(partlyUsed * 2 + 3 * 16);
    expect(vm.host.violations()).toEqual([]);
  });

  test('the order of the original, memory before the IOMMU, is caught by the maps', () => {
    const vm = createElasticVm({ technique: technique('hyperalloc'), totalMib: 64, vfio: true, config });
    vm.host.discardHuge(3);
    expect(vm.host.violations()).toEqual([expect.stringContaining('2 MiB frame 3')]);
  });
});

describe('virtio-mem', () => {
  test('moves what programs hold and keeps it', () => {
    const vm = createElasticVm({
      technique: technique('virtio-mem'),
      totalMib: 512,
      bootMib: 128,
      vfio: false,
      config,
    });
    const handles = Array.from({ length: 128 * 256 }, () => vm.allocate(0, 0, true));
    const before = handles.map((handle) => vm.guest.frameOf(handle));
    for (const handle of handles.splice(1000)) vm.free(0, handle);
    expect(vm.resizeTo(128)).toBe(128);
    expect(handles.some((handle, at) => vm.guest.frameOf(handle) !== before[at])).toBe(true);
    for (const handle of handles) {
      expect(vm.guest.frameOf(handle)).toBeLessThan(128 * 256);
      expect(vm.host.isPresent(vm.guest.frameOf(handle))).toBe(true);
    }
  });

  test('stalls on pages that cannot move where the zone takes them', () => {
    const options = { technique: technique('virtio-mem'), totalMib: 256, bootMib: 64, vfio: false, config } as const;
    const normal = createElasticVm({ ...options, deviceZone: 'Normal' });
    const pinned = normal.allocate(0, 0, false);
    expect(normal.guest.frameOf(pinned)).toBeGreaterThanOrEqual(64 * 256);
    expect(normal.resizeTo(64)).toBe(66);
    const movable = createElasticVm({ ...options, deviceZone: 'Movable' });
    movable.allocate(0, 0, false);
    expect(movable.resizeTo(64)).toBe(64);
  });
});

describe.each([...techniques].map((each) => ({ name: each.name, each })))('random use under $name', ({ each }) => {
  test.each([false, true].filter((vfio) => !vfio || each.dmaSafe === true))(
    '(vfio %s) loses and doubles nothing',
    (vfio) => {
      const vm = createElasticVm({ technique: each, totalMib: 96, bootMib: 32, vfio, config, cpus: 2 });
      const random = createRandom(vfio ? 3 : 2);
      const live = new Map<number, number>();
      let seconds = 0;
      for (let step = 0; step < 6000; step++) {
        const what = random.below(100);
        if (what < 52) {
          const order = random.below(30) === 0 ? random.below(11) : random.below(3);
          const handle = vm.allocate(random.below(2), order, random.below(8) > 0);
          if (handle >= 0) live.set(handle, order);
        } else if (what < 97) {
          const handles = [...live.keys()];
          const handle = handles[random.below(Math.max(1, handles.length))];
          if (handle === undefined) continue;
          vm.free(random.below(2), handle);
          live.delete(handle);
        } else if (what < 98) vm.resizeTo(Math.max(32, 2 * random.below(49)));
        else {
          seconds += 1 + random.below(4);
          vm.advance(seconds);
        }
        if (step % 1500 === 0) check(vm, live);
      }
      vm.resizeTo(96);
      check(vm, live);
      for (const handle of live.keys()) vm.free(0, handle);
      // Everything that was taken away came back: as many pages as ever can be taken.
      expect(fillAndEmpty(vm, false)).toBe(movablePages(vm));
    },
  );
});

function check(vm: ElasticVm, live: ReadonlyMap<number, number>): void {
  expect(vm.host.violations()).toEqual([]);
  const owner = new Set<number>();
  let used = 0;
  for (const [handle, order] of live) {
    const first = vm.guest.frameOf(handle);
    used += 2 ** order;
    for (let frame = first; frame < first + 2 ** order; frame++) {
      if (owner.has(frame)) expect.fail(`frame ${frame} is held twice`);
      owner.add(frame);
      if (!vm.host.isPresent(frame)) expect.fail(`frame ${frame} was written and has no memory`);
    }
  }
  expect(vm.residentMib * 256).toBeGreaterThanOrEqual(used);
  let present = 0;
  for (let frame = 0; frame < vm.host.frames; frame++) if (vm.host.isPresent(frame)) present++;
  expect(vm.host.residentPages).toBe(present);
}

const movablePages = (vm: ElasticVm) => vm.sizeMib * 256;

describe('the Linux-like buddy', () => {
  test('gives out exact frames only when they are free, and merges them back', () => {
    const buddy = createLinuxBuddy(4096);
    const blocks = () => Array.from({ length: 11 }, (_, order) => buddy.freeBlocks(order));
    const before = blocks();
    expect(buddy.takeAt(1536, 9)).toBe(true);
    expect(buddy.freeOrderOf(1536)).toBe(-1);
    expect(buddy.takeAt(1536, 9)).toBe(false);
    expect(buddy.takeAt(1024, 10)).toBe(false);
    expect(buddy.freeFrames).toBe(4096 - 512);
    buddy.free(0, 1536, 9);
    expect(blocks()).toEqual(before);
  });

  test('forgets the mark of a block that is taken, split or merged', () => {
    const buddy = createLinuxBuddy(2048);
    const [first] = buddy.unmarked(10, 1, 1) as [number];
    buddy.mark(first);
    expect(buddy.unmarked(10, 1, 9)).not.toContain(first);
    buddy.takeAt(first, 9);
    buddy.free(0, first, 9);
    expect(buddy.unmarked(10, 1, 9)).toContain(first);
  });
});

describe('what resizing does to translation, mapping by mapping', () => {
  const events = (name: string, vfio = false, touched = true) =>
    memoryEventsOf({
      technique: techniques.get(name),
      vfio,
      touched,
      profile: xeon6252,
      config,
      totalMib,
      mib: 16,
    });

  test.each(['virtio-balloon', 'virtio-balloon-huge', 'virtio-mem', 'hyperalloc', 'free-page-reporting'])(
    '%s: no mapping goes twice without coming back, and times never fall',
    (name) => {
      const gone = new Set<number>();
      let before = 0;
      const all = events(name);
      for (const { micros, kind, frame, pages } of all) {
        expect(micros).toBeGreaterThanOrEqual(before);
        before = micros;
        for (let page = frame; page < frame + pages; page++)
          if (kind === 'ept-unmap') {
            if (pages === 1) expect(gone.has(page)).toBe(false);
            gone.add(page);
          } else if (kind === 'ept-map') gone.delete(page);
      }
      expect(all.length).toBeGreaterThan(0);
    },
  );

  test('has the balloon take 4,096 single pages for 16 MiB, and its patched kin 8 whole frames', () => {
    const of = (name: string) => events(name).filter(({ kind }) => kind === 'ept-unmap');
    expect(of('virtio-balloon').map(({ pages }) => pages)).toEqual(Array.from({ length: 4_096 }, () => 1));
    expect(of('virtio-balloon-huge').map(({ pages }) => pages)).toEqual(Array.from({ length: 8 }, () => 512));
  });

  test('cuts the device off before the memory goes', () => {
    const all = events('hyperalloc', true);
    const open = new Set<number>();
    for (const { kind, frame } of all) {
      if (kind === 'iommu-unmap') open.add(frame);
      if (kind === 'ept-unmap') expect(open.delete(frame)).toBe(true);
    }
    expect(all.filter(({ kind }) => kind === 'iommu-unmap').length).toBeGreaterThanOrEqual(8);
  });

  test('takes nothing from memory that was never touched', () => {
    expect(events('virtio-balloon', false, false).filter(({ kind }) => kind === 'ept-unmap')).toEqual([]);
  });
});
