import { type AccessBlock, AccessKind } from '@strata/model/machine';

export interface RowSelection {
  /** Accesses to drop at the front; events before the first one kept go with them. */
  readonly skip: number;
  /** Accesses to keep at most; events after the last one kept go too. */
  readonly keep: number;
  readonly events: boolean;
}

/** Keeps the selected rows of a block, in place and in order. Returns how many accesses were passed over at the front. */
export function selectRows(block: AccessBlock, { skip, keep, events }: RowSelection): number {
  const { kind, length } = block;
  let skipped = 0;
  let kept = 0;
  let to = 0;
  for (let row = 0; row < length && kept < keep; row++) {
    const isAccess = kind[row]! < AccessKind.noFetch;
    if (skipped < skip) {
      if (isAccess) skipped++;
      continue;
    }
    if (!isAccess && !events) continue;
    if (isAccess) kept++;
    moveRow(block, row, to++);
  }
  block.length = to;
  return skipped;
}

/** Copies a row of a block to an earlier one. */
export function moveRow(block: AccessBlock, from: number, to: number): void {
  if (from === to) return;
  block.lo[to] = block.lo[from]!;
  block.hi[to] = block.hi[from]!;
  block.kind[to] = block.kind[from]!;
  block.size[to] = block.size[from]!;
  block.thread[to] = block.thread[from]!;
  block.process[to] = block.process[from]!;
  if (block.pcLo && block.pcHi) {
    block.pcLo[to] = block.pcLo[from]!;
    block.pcHi[to] = block.pcHi[from]!;
  }
  if (block.physicalLo && block.physicalHi) {
    block.physicalLo[to] = block.physicalLo[from]!;
    block.physicalHi[to] = block.physicalHi[from]!;
  }
}
