import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  createPostedDescriptor,
  descriptorAddress,
  postInterrupt,
  reflectedInterrupts,
  takePosted,
} from './posted-interrupts.ts';

it.each([
  ['idle descriptor', false, false, false, true, true],
  ['one outstanding', true, false, false, false, true],
  ['one outstanding, urgent', true, false, true, false, true],
  ['suppressed', false, true, false, false, false],
  ['suppressed, urgent', false, true, true, true, true],
])(
  'posting to an %s descriptor notifies as VT-d says',
  (_, outstanding, suppressed, urgent, notified, outstandingAfter) => {
    const descriptor = Object.assign(createPostedDescriptor(), { outstanding, suppressed });
    expect(postInterrupt(descriptor, 0x41, urgent)).toBe(notified);
    expect(descriptor.outstanding).toBe(outstandingAfter);
    // Vector 0x41 is bit 1 of the second 64-bit word.
    expect([...descriptor.requests]).toEqual([0, 0, 2, 0, 0, 0, 0, 0]);
  },
);

it('loses no vector and notifies once until the guest takes them', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1 }), (vectors) => {
      const descriptor = createPostedDescriptor();
      const notified = vectors.filter((vector) => postInterrupt(descriptor, vector));
      expect(notified).toHaveLength(1);
      expect(takePosted(descriptor)).toEqual([...new Set(vectors)].sort((a, b) => b - a));
      expect(takePosted(descriptor)).toEqual([]);
    }),
  );
});

it('refuses what is no vector', () => {
  expect(() => postInterrupt(createPostedDescriptor(), 256)).toThrow(RangeError);
});

it('joins the split address of a remapping entry and counts exits per device interrupt', () => {
  expect(descriptorAddress(0x1, 0x2)).toBe(0x2_0000_0040);
  expect([reflectedInterrupts(2, false), reflectedInterrupts(3, false), reflectedInterrupts(3, true)]).toEqual([
    1, 2, 0,
  ]);
});
