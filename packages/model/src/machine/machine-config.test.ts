import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHierarchy } from './cache-hierarchy.ts';
import { flatten, resolve } from './fields.ts';
import { geometryOf, machineSpec, tlbArraysOf, walkerGeometryOf } from './machine-config.ts';
import { resolveMachine } from './machine-file.ts';
import { machines } from './presets/index.ts';
import { createRandom } from './random.ts';
import { createTlb } from './tlb.ts';

describe('a machine', () => {
  it('of the artifact has the constants of the original, level by level', () => {
    const machine = resolveMachine();
    expect(geometryOf(machine.l1d, 'l1d')).toEqual({ sets: 64, ways: 8, policy: 'lru' });
    expect(geometryOf(machine.l2, 'l2')).toEqual({ sets: 1024, ways: 16, policy: 'lru' });
    expect(geometryOf(machine.llc, 'llc')).toEqual({ sets: 32_768, ways: 11, policy: 'lru' });
    expect(tlbArraysOf(machine.tlb.l1i, '')[0]?.geometry).toEqual({ sets: 16, ways: 8, policy: 'lfu' });
    expect(tlbArraysOf(machine.tlb.l1d, '')[0]?.geometry).toEqual({ sets: 16, ways: 4, policy: 'lfu' });
    expect(tlbArraysOf(machine.tlb.l2, '')[0]?.geometry).toEqual({ sets: 128, ways: 12, policy: 'lfu' });
    const { pageWalkCaches, nestedTlb } = walkerGeometryOf(machine);
    expect(pageWalkCaches.map((cache) => cache && `${cache.sets}x${cache.ways}`)).toEqual([
      undefined,
      undefined,
      '8x4',
      '1x4',
      '2x1',
      undefined,
    ]);
    expect(nestedTlb).toBeUndefined();
    expect(createHierarchy(machine, createRandom(1)).latencyCycles).toEqual([200, 4, 14, 54]);
  });

  it.each([...machines.names])('named %s can be built, and says of which figures it is not certain', (name) => {
    const machine = resolveMachine(name);
    createHierarchy({ ...machine, cores: 2 }, createRandom(1));
    createTlb({ cores: 2, tlb: machine.tlb, pageNumberBits: 45 }, createRandom(1));
    const paths = flatten(machineSpec).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(Object.keys(machines.get(name).unverified)));
  });

  it('is a preset and what differs from it; sizes may be text', () => {
    const machine = resolveMachine({ extends: 'intel-server', cores: 4, l2: { sizeBytes: '1.25 MiB', ways: 20 } });
    expect(machine.cores).toBe(4);
    expect(machine.l2).toMatchObject({ sizeBytes: 1_310_720, ways: 20, latencyCycles: 15 });
    expect(machine.l1d.sizeBytes).toBe(49_152);
    expect(resolveMachine({ llc: { sizeBytes: '22M' } })).toEqual(resolveMachine('artifact'));
  });

  it('says what is wrong, where, and what would be right', () => {
    const message = (machine: unknown) => {
      try {
        resolveMachine(machine, 'mine.yaml');
      } catch (error) {
        return String(error);
      }
      return 'accepted';
    };
    expect(message('artefact')).toMatch(/unknown machine artefact.*Did you mean artifact\?/);
    expect(message({ extends: 'amd' })).toMatch(/unknown machine amd/);
    expect(message({ extends: 7 })).toMatch(/mine\.yaml\.extends: wrong type; expected the name of a machine, found 7/);
    expect(message(7)).toMatch(/mine\.yaml: wrong type/);
    expect(message({ l1: {} })).toMatch(/mine\.yaml: unknown key l1\..*Did you mean/);
    expect(message({ l1d: { size: '32K' } })).toMatch(/mine\.yaml\.l1d: unknown key size\./);
    expect(message({ l1d: { sizeBytes: 'big' } })).toMatch(
      /mine\.yaml\.l1d\.sizeBytes: wrong type; expected an integer, found "big"/,
    );
    expect(message({ l1d: { sizeBytes: 0 } })).toMatch(/l1d\.sizeBytes: value out of range/);
    expect(message({ l1d: { sizeBytes: 33_000 } })).toMatch(
      /mine\.yaml\.l1d: .*multiple of 512 bytes.*found 33000\. Nearest possible: sizeBytes 32768 or 33280\./,
    );
    expect(message({ l1d: { sizeBytes: 64 } })).toMatch(/Nearest possible: sizeBytes 512\./);
    expect(message({ tlb: { l1d: { page4k: { entries: 65 } } } })).toMatch(
      /mine\.yaml\.tlb\.l1d\.page4k: .*found 65\. Nearest possible: entries 64 or 68\./,
    );
    expect(message({ tlb: { l1d: { page4k: { entries: 0 } } } })).toMatch(/a TLB must hold 4 KiB pages/);
    expect(message({ tlb: { l1d: { page4k: { ways: 0 } } } })).toMatch(/ways is 0/);
    expect(message({ llc: { policy: 'tree-plru' } })).toMatch(
      /mine\.yaml\.llc: tree-plru .*found 11\. Use 8 or 16 ways/,
    );
    expect(message({ cores: 4096, l2: { sizeBytes: '1G' } })).toMatch(
      /mine\.yaml\.l2: more entries than can be simulated/,
    );
    expect(message({ llc: { policy: 'oracle' } })).toMatch(/unknown value "oracle"/);
    expect(message({ pageWalkCaches: { level2: { entries: 33 } } })).toMatch(/mine\.yaml\.pageWalkCaches\.level2/);
  });

  it('accepts every cache of whole sets and refuses every other, with a value that is then accepted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1 << 22 }), fc.integer({ min: 1, max: 64 }), (sizeBytes, ways) => {
        const cache = (bytes: number) => geometryOf({ sizeBytes: bytes, ways, policy: 'lru' }, 'llc');
        if (sizeBytes % (ways * 64) === 0) {
          expect(cache(sizeBytes).sets * ways * 64).toBe(sizeBytes);
          return;
        }
        const nearest = /Nearest possible: sizeBytes (\d+)/;
        let proposed = '';
        expect(() => {
          try {
            cache(sizeBytes);
          } catch (error) {
            proposed = nearest.exec(String(error))?.[1] ?? '';
            throw error;
          }
        }).toThrow(nearest);
        expect(cache(Number(proposed)).ways).toBe(ways);
      }),
    );
  });

  it('shares one geometry between all levels where walk caches are unified', () => {
    const { pageWalkCaches, unified } = walkerGeometryOf(resolveMachine('amd-server'));
    expect(unified).toBe(true);
    expect(new Set(pageWalkCaches.slice(2)).size).toBe(1);
    expect(walkerGeometryOf(resolve(machineSpec)).unified).toBe(false);
  });
});
