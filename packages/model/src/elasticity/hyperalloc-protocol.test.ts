import { describe, expect, it } from 'vitest';
import { exploreProtocol } from './hyperalloc-protocol.ts';

describe('reclaim and install, every interleaving', () => {
  it.each([1, 2, 3])(
    '%i vCPUs never use a frame without memory, and the IOMMU never maps what is not there',
    (cpus) => {
      const { states, stuck, violations } = exploreProtocol({ cpus });
      expect(violations).toEqual([]);
      expect(stuck).toBe(0);
      expect(states).toBeGreaterThan(10 * cpus);
    },
  );

  it('finds the defect of the original, which discards memory before the IOMMU forgets it', () => {
    expect(exploreProtocol({ cpus: 1, discardsFirst: true }).violations).toEqual([
      'the IOMMU maps memory that the host does not have',
    ]);
  });
});
