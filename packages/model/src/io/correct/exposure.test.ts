import { describe, expect, it } from 'vitest';
import { Exposure } from './exposure.ts';

describe('the window of a page given back', () => {
  it('is open from the first time that it is given back, until nothing reaches it', () => {
    const exposure = new Exposure(false);
    exposure.release(1, 7, 100, true);
    exposure.release(1, 7, 250, true);
    exposure.close(1, 0, Number.POSITIVE_INFINITY, 400);
    expect(exposure.result()).toMatchObject({ pages: 2, exposedPages: 2, max: 300, stillOpen: 0 });
  });

  it('counts as 0 in the mean where nothing reached it, and not at all while it is open', () => {
    const exposure = new Exposure(false);
    exposure.release(1, 7, 100, true);
    exposure.release(1, 8, 100, false);
    exposure.release(2, 7, 100, true);
    exposure.close(1, 7, 1, 160);
    expect(exposure.result()).toEqual({ pages: 3, exposedPages: 2, mean: 30, max: 60, stillOpen: 1 });
  });
});
