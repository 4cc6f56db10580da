/** Fast and Safe's relation of throughput to memory reads per 4 KiB of data: T = p / (l0 + M lm). */
export const fastAndSafeRelation = {
  pageBytes: 4096,
  fixedNs: 65,
  readNs: 197,
  source: 'Fast and Safe, SOSP 2024',
} as const;

/** Gb/s when each page of data costs so many memory reads of the IOMMU. */
export function relationGbps(readsPerPage: number): number {
  const { pageBytes, fixedNs, readNs } = fastAndSafeRelation;
  return (pageBytes * 8) / (fixedNs + readsPerPage * readNs);
}
