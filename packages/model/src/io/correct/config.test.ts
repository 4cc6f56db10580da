import { describe, expect, it } from 'vitest';
import { resolveIoMachine } from './config.ts';

describe('the configuration of the machine', () => {
  const caches = [
    'deviceTlb',
    'contextCache',
    'pasidCache',
    'iotlb',
    'l2Cache',
    'l3Cache',
    'l4Cache',
    'l5Cache',
    'nestedCache',
    'interruptCache',
  ] as const;

  it.each(caches)(
    'refuses a %s of entries in zero ways, or of ways without entries, and says how to have none',
    (name) => {
      for (const shape of [
        { entries: 64, ways: 0 },
        { entries: 0, ways: 8 },
      ])
        expect(() => resolveIoMachine({ [name]: shape })).toThrow(
          expect.objectContaining({
            code: 'io.cache-shape',
            where: `machine.${name}`,
            mend: expect.stringContaining('no cache'),
          }),
        );
      expect(resolveIoMachine({ [name]: { entries: 0, ways: 0 } })[name]).toMatchObject({ entries: 0, ways: 0 });
    },
  );
});
