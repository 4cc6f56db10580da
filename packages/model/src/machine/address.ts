/**
 * Addresses, page numbers and frames. Virtual addresses have up to 64 bits, so an address is a page number plus an offset: page numbers
 * (at most 52 bits) and frame numbers (at most 40) are exact as JavaScript numbers, whole addresses are not. BigInt stays at the edges.
 */
declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]?: B };

/** Number of a 4 KiB page in a virtual address space: the address divided by 4096, sign bits included (0 to 2^52 - 1). */
export type Vpn = Branded<number, 'vpn'>;
/** Number of a 4 KiB frame in a physical address space (guest-physical or host-physical): 0 to 2^40 - 1. */
export type Frame = Branded<number, 'frame'>;
/** Number of a 64-byte line in a physical address space: frame * 64 + line in the frame. */
export type Line = Branded<number, 'line'>;

export const pageShift = 12;
export const pageBytes = 4096;
export const lineShift = 6;
export const lineBytes = 64;
export const linesPerPage = 64;
/** x86-64: 512 entries of 8 bytes per table, 9 index bits per level (Intel SDM vol. 3, 4.5). */
export const entriesPerTable = 512;
export const indexBits = 9;
export const entryBytes = 8;
export const frameLimit = 2 ** 40;

/** Page size as the level of the leaf entry that maps it: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB. */
export type PageLevel = 1 | 2 | 3;
/** 4 KiB pages in a page of that level. */
export const pagesIn: readonly [number, number, number, number] = [0, 1, 512, 262_144];

export function vpnOf(lo: number, hi: number): Vpn {
  return hi * 1_048_576 + (lo >>> pageShift);
}

/** 4 KiB pages that one entry of a table of that level (1 to 5) covers. */
export const pagesPerEntry: readonly number[] = [0, 1, 512, 512 ** 2, 512 ** 3, 512 ** 4];

/** By level: the reciprocals, exact since powers of two; a product is faster than a quotient. */
export const entriesPerPage: readonly number[] = pagesPerEntry.map((pages) => 1 / pages);

/** Index into the table of `level` (1 = last level, 4 or 5 = root) on the way to `vpn`. */
export function indexAt(vpn: Vpn, level: number): number {
  // `&` truncates the product and takes it modulo 2^32, of which 512 is a divisor.
  return (vpn * entriesPerPage[level]!) & (entriesPerTable - 1);
}

/** @param text hexadecimal with or without `0x`, at most 64 bits; undefined when it is not */
export function parseHexAddress(text: string): bigint | undefined {
  return /^(0x)?[0-9a-f]{1,16}$/i.test(text)
    ? BigInt(text.startsWith('0x') || text.startsWith('0X') ? text : `0x${text}`)
    : undefined;
}

/** A frame of a VM is a page of the space that its hypervisor keeps for it. */
export function guestPage(frame: Frame): Vpn {
  return frame as number;
}

export function vpnOfAddress(address: bigint): Vpn {
  return Number(address >> 12n);
}

/** `0x`-prefixed address of byte `offset` in a page or frame. */
export function hexAddress(page: number, offset = 0): string {
  return `0x${(BigInt(page) * 4096n + BigInt(offset)).toString(16)}`;
}
