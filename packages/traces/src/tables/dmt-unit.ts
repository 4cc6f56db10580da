import { StrataError } from '@strata/model/machine';
import { HexField } from './hex-field.ts';
import type { TableUnit } from './imported-tables.ts';

const comma = 44;
const newline = 10;
const columns = 6;
/** Different frames that must agree before the unit is taken as known: two that are multiples of 4096 by chance are 1 in 16 million. */
const enoughFrames = 3;

/**
 * In which unit a DMT dump names frames. The published dumper prints frame numbers, the simulators read byte addresses, and both are in
 * circulation. Byte addresses of frames are multiples of 4096; frame numbers are so by chance only.
 * @throws StrataError `tables.ambiguous-unit` when the beginning of the file does not show it
 */
export function recogniseUnit(head: Uint8Array, path: string): TableUnit {
  const sample = sampledFrames(head);
  const unit = unitOf(sample);
  if (unit !== undefined) return unit;
  throw new StrataError({
    code: 'tables.ambiguous-unit',
    where: path,
    what: 'the table columns could be byte addresses or frame numbers',
    expected: 'byte addresses, all multiples of 0x1000, or frame numbers, which mostly are not',
    found: `${sample.aligned} multiples of 0x1000 among ${sample.frames} different values`,
    mend: 'Say which with --unit bytes or --unit pfn.',
  });
}

/** The unit that the beginning of a dump shows, whatever the user says of it; undefined where it shows none. */
export function likelyUnit(head: Uint8Array): TableUnit | undefined {
  return unitOf(sampledFrames(head));
}

interface Sample {
  readonly frames: number;
  readonly aligned: number;
}

function unitOf({ frames, aligned }: Sample): TableUnit | undefined {
  if (frames < enoughFrames) return undefined;
  if (aligned === frames) return 'bytes';
  return aligned <= frames / 2 ? 'pfn' : undefined;
}

/** The different values of the table columns in the first rows, and how many of them are multiples of 4096. */
function sampledFrames(head: Uint8Array): Sample {
  const frames = new Set<number>();
  let aligned = 0;
  const field = new HexField();
  for (let start = head.indexOf(newline) + 1; start > 0 && start < head.length; ) {
    let at = start;
    const end = head.indexOf(newline, start);
    for (let column = 0; column < columns && field.read(head, at, head.length); column++, at = field.end + 1) {
      // A number cut off by the end of the sample is not counted.
      const isWhole = field.end < head.length && (column < columns - 1 ? head[field.end] === comma : true);
      const frame = field.page * 4096 + field.offset;
      if (column === 0 || !isWhole || frame === 0 || frames.has(frame)) continue;
      frames.add(frame);
      if (field.offset === 0) aligned++;
    }
    start = end + 1;
  }
  return { frames: frames.size, aligned };
}
