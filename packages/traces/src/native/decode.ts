import type { AccessBlock } from '@strata/model/machine';
import * as payload from './payload.ts';
import { batchRows, type Chunk, formWord, type ReadPlane, rowsKernel, runFaults } from './rows.ts';

/** Gives the rows of one chunk, block by block. */
export interface ChunkDecoder {
  readonly rowsLeft: number;
  /** Fills the block with at most `rows` rows and sets its length. Columns that the block lacks are skipped over. */
  read(block: AccessBlock, rows: number): void;
}

/** What the planes contradict; the caller knows file and chunk. */
export class PayloadError extends Error {}

/** Planes that hold as many values as the codes call for, or the chunk is damaged. */
const countedPlanes = ['near', 'medium', 'far', 'absoluteLo', 'runs'] as const satisfies readonly ReadPlane[];

/**
 * @param raw the inflated payload; it must stay as it is while the decoder is in use
 * @throws PayloadError when the planes contradict the number of rows
 */
export function createChunkDecoder(raw: Uint8Array, rows: number): ChunkDecoder {
  const { offsets, lengths } = splitPlanes(raw);
  if (lengths.codes !== rows || lengths.forms !== rows)
    throw new PayloadError('the planes hold another number of rows than the chunk says');
  const chunk: Chunk = {
    raw,
    rows,
    offsets,
    runsEnd: offsets.runs + lengths.runs,
    laneCount: Math.floor(lengths.lanes / 4),
    forms: formsOf(raw, offsets.formTable, lengths.formTable),
  };
  const hasPhysical = lengths.physicalLo > 0;
  const kernel = rowsKernel();
  let rowsLeft = rows;

  function read(block: AccessBlock, wanted: number): void {
    const length = Math.min(wanted, block.lo.length, rowsLeft);
    for (let done = 0; done < length; done += batchRows) decode(block, done, Math.min(batchRows, length - done));
    block.length = length;
    rowsLeft -= length;
    if (rowsLeft === 0) end();
  }

  function decode(block: AccessBlock, at: number, size: number): void {
    let fault: number;
    try {
      fault = kernel.decode(chunk, block, at, size, hasPhysical);
    } catch (error) {
      if (error instanceof RangeError) throw new PayloadError(`it would take ${raw.length} bytes of memory`);
      throw error;
    }
    if (fault !== 0) throw new PayloadError(runFaults[fault]!);
  }

  function end(): void {
    const { at, runLeft } = kernel.position(chunk);
    kernel.release(chunk);
    if (runLeft !== 0 || countedPlanes.some((name) => at(name) !== offsets[name] + lengths[name]))
      throw new PayloadError('the planes hold another number of addresses than the codes call for');
  }

  return {
    read,
    get rowsLeft() {
      return rowsLeft;
    },
  };
}

type PerPlane = Record<payload.Plane, number>;

/** Where each plane begins in the payload, and its bytes. */
function splitPlanes(raw: Uint8Array): { readonly offsets: PerPlane; readonly lengths: PerPlane } {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const tableBytes = 4 * payload.planes.length;
  if (raw.length < tableBytes) throw new PayloadError('the table of planes is cut off');
  const offsets = {} as PerPlane;
  const lengths = {} as PerPlane;
  let at = tableBytes;
  payload.planes.forEach((name, index) => {
    offsets[name] = at;
    lengths[name] = view.getUint32(4 * index, true);
    at += Math.ceil(lengths[name] / 4) * 4;
  });
  // The sum is right only if every plane lies within: none has a negative length.
  if (at !== raw.length) throw new PayloadError('the planes do not fill the payload');
  return { offsets, lengths };
}

/** A full table, so that a form of a damaged file cannot read past the end. Kind, nothing, and two bytes of size for each form. */
function formsOf(raw: Uint8Array, offset: number, bytes: number): Uint32Array {
  const words = new Uint32Array(payload.maxForms);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  for (let form = 0; form < Math.min(payload.maxForms, bytes >> 2); form++)
    words[form] = formWord(view.getUint8(offset + 4 * form), view.getUint16(offset + 4 * form + 2, true));
  return words;
}
