/** Sizes of this part: memory in MiB over time, in 4 KiB pages and 2 MiB frames in costs. */
export const mibPerGib = 1024;
export const mibPerHuge = 2;
export const hugePerGib = 512;
export const pagesPerGib = 262_144;
export const pagesPerMib = 256;
