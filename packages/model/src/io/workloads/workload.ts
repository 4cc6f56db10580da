import type { Named } from '../../machine/registry.ts';

/** Where one translation goes. */
export interface Target {
  /** Byte address in the tenant's I/O address space, below 2^32. */
  iova: number;
  /** Level of the leaf: 1 = 4 KiB, 2 = 2 MiB. */
  level: 1 | 2;
}

/**
 * What a tenant's device asks for, three translations per packet or command. A pure function of tenant and packet, so that any number of
 * tenants in any order needs no memory per tenant. Adding a workload is one file and one line in `registry.ts`.
 */
export interface IoWorkload extends Named {
  readonly source: string;
  /** @param random 32 random bits of this packet alone */
  target(out: Target, tenant: number, packet: number, part: number, random: number): void;
}

export const kib4 = 2 ** 12;
export const mib2 = 2 ** 21;
