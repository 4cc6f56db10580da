import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../machine/random.ts';
import { keyOf, PartitionedCache } from './translation-cache.ts';
import { WideDomains } from './wide-addresses.ts';

/** Pages of 57 bits of address, those at the ends of what each level covers among them. */
const vpn = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom(27, 36, 44).chain((bits) => fc.integer({ min: 2 ** bits - 2, max: 2 ** bits + 2 })),
  fc.integer({ min: 0, max: 2 ** 45 - 1 }),
);
const entry = fc.record({
  domain: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 65_532, max: 65_535 })),
  level: fc.integer({ min: 1, max: 5 }),
  vpn,
});

describe('keys of cached translations', () => {
  it('are one exact number for each domain, level and region of 57 bits', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 2, maxLength: 60 }), fc.boolean(), (entries, spread) => {
        const wide = new WideDomains();
        const names = new Map<number, string>();
        for (const { domain, level, vpn } of entries) {
          const region = Math.floor(vpn / 512 ** (level - 1));
          const key = keyOf(domain, region, level, spread, wide);
          const name = `${domain}/${level}/${region}`;
          expect(Number.isSafeInteger(key) && key >= 0).toBe(true);
          expect(names.get(key) ?? name).toBe(name);
          names.set(key, name);
          expect(keyOf(domain, region, level, spread, wide)).toBe(key);
        }
        const known = new Set(names.values());
        expect(names.size).toBe(known.size);
      }),
      { numRuns: 300 },
    );
  });

  it('stay exact with as many wide domains as there can be, and say so beyond', () => {
    const wide = new WideDomains();
    let last = 0;
    for (let part = 1; part <= 61_440; part++) last = wide.of(part % 65_536, 1 + (part >> 16));
    const top = keyOf(61_440, 2 ** 36 + 2 ** 36 - 1, 1, false, wide);
    expect(last).toBe(65_536 + 61_439);
    expect(Number.isSafeInteger(top)).toBe(true);
    expect(() => wide.of(7, 500)).toThrow(expect.objectContaining({ code: 'io.wide-addresses' }));
  });

  it('forget a domain with all its addresses, and no other', () => {
    const cache = new PartitionedCache({ entries: 64, ways: 64, partitions: 1 }, true, createRandom(1));
    const far = 2 ** 44 + 5;
    for (const domain of [1, 2]) for (const region of [5, far]) cache.fill(domain, region, 1, region);
    cache.invalidateDomain(1);
    expect([5, far].map((region) => cache.peek(1, region, 1))).toEqual([-1, -1]);
    expect([5, far].map((region) => cache.peek(2, region, 1))).toEqual([5, far]);
  });
});
