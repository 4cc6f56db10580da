/** A posted-interrupt descriptor (Intel VT-d specification, section 5.2.3): 256 request bits, and the bits that steer notification. */
export interface PostedDescriptor {
  /** PIR as four 64-bit words, each as its low and high 32 bits: eight in all. */
  readonly requests: Uint32Array;
  /** ON: a notification is on its way. */
  outstanding: boolean;
  /** SN: notifications are suppressed. */
  suppressed: boolean;
}

export function createPostedDescriptor(): PostedDescriptor {
  return { requests: new Uint32Array(8), outstanding: false, suppressed: false };
}

/**
 * Posts `vector` (0 to 255). Returns whether a notification is sent: only if none is outstanding, and suppression does not hold it
 * back; an urgent interrupt is never held back.
 */
export function postInterrupt(descriptor: PostedDescriptor, vector: number, urgent = false): boolean {
  if (!Number.isInteger(vector) || vector < 0 || vector > 255) throw new RangeError(`no interrupt vector: ${vector}`);
  const half = vector >>> 5;
  descriptor.requests[half] = (descriptor.requests[half]! | (1 << (vector & 31))) >>> 0;
  const notify = !descriptor.outstanding && (urgent || !descriptor.suppressed);
  if (notify) descriptor.outstanding = true;
  return notify;
}

/** Takes what is posted, as the hypervisor does before it enters the guest: the vectors, highest first; PIR and ON are cleared. */
export function takePosted(descriptor: PostedDescriptor): number[] {
  const vectors: number[] = [];
  for (let vector = 255; vector >= 0; vector--)
    if ((descriptor.requests[vector >>> 5]! & (1 << (vector & 31))) !== 0) vectors.push(vector);
  descriptor.requests.fill(0);
  descriptor.outstanding = false;
  return vectors;
}

/** What an interrupt-remapping entry in posted format holds of a descriptor's address: 26 low bits (from bit 6) and 32 high bits. */
export function descriptorAddress(low26: number, high32: number): number {
  return high32 * 2 ** 32 + low26 * 64;
}

/** The exits that one device interrupt for a guest at `level` costs through a vIOMMU: none when posted to a running guest. */
export function reflectedInterrupts(level: number, posted: boolean): number {
  return posted ? 0 : level - 1;
}
