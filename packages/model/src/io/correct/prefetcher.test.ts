import { describe, expect, it } from 'vitest';
import { createRandom } from '../../machine/random.ts';
import { Prefetcher } from './prefetcher.ts';

const create = (entries: number) => new Prefetcher({ entries, history: 3, distance: 4 }, true, createRandom(1));

describe('a page to fetch ahead', () => {
  it('is not asked for while it is on its way, nor while the buffer has it', () => {
    const prefetcher = create(4);
    expect(prefetcher.ask(1, 5)).toBe(true);
    expect(prefetcher.ask(1, 5)).toBe(false);
    expect(prefetcher.ask(2, 5)).toBe(true);
    prefetcher.arrived(1, 5, 1, 77);
    expect(prefetcher.ask(1, 5)).toBe(false);
    expect(prefetcher.lookup(1, 5)).toBe(77);
    expect(prefetcher.counts()).toMatchObject({ requests: 2, fill: 1, buf_hit: 1 });
  });

  it('is one of no more than the buffer can hold', () => {
    const prefetcher = create(2);
    expect([1, 2, 3].map((vpn) => prefetcher.ask(1, vpn))).toEqual([true, true, false]);
    prefetcher.arrived(1, 1, 1, 9);
    expect(prefetcher.ask(1, 3)).toBe(true);
  });

  it('that is not mapped may be asked for again', () => {
    const prefetcher = create(1);
    expect(prefetcher.ask(1, 5)).toBe(true);
    prefetcher.arrived(1, 5, 1, -1);
    expect(prefetcher.counts().fill).toBe(0);
    expect(prefetcher.ask(1, 5)).toBe(true);
  });
});
