import { parseHexAddress, type Vpn, vpnOfAddress } from '../../machine/address.ts';
import { StrataError } from '../../machine/errors.ts';

/** A range of the optional range file: pages from `start` up to, not including, `end`. */
export interface PageRange {
  readonly start: Vpn;
  readonly end: Vpn;
}

/**
 * Reads a range file: a decimal count, then one `lo,hi` line of hexadecimal byte addresses per range. A page is inside when
 * `lo <= its address < hi`.
 * @param file name for messages
 * @throws StrataError `compat.range-file`
 */
export function parseRanges(content: string, file: string): PageRange[] {
  const lines = content.split(/\r?\n/);
  const count = lines[0]?.trim() ?? '';
  if (!/^\d+$/.test(count)) throw malformed(file, 1, 'a decimal number of ranges', count);
  return Array.from({ length: Math.min(Number(count), lines.length) }, (_, index) => {
    const line = lines[index + 1] ?? '';
    const [lo, hi, ...rest] = line.split(',').map((word) => parseHexAddress(word.trim()));
    if (lo === undefined || hi === undefined || rest.length > 0)
      throw malformed(file, index + 2, 'two hexadecimal addresses, "lo,hi"', line);
    return { start: pageAtOrAbove(lo), end: pageAtOrAbove(hi) };
  });
}

function pageAtOrAbove(address: bigint): Vpn {
  return vpnOfAddress(address + 4095n);
}

export function inAnyRange(ranges: readonly PageRange[], vpn: Vpn): boolean {
  for (const { start, end } of ranges) if (start <= vpn && vpn < end) return true;
  return false;
}

function malformed(file: string, line: number, expected: string, found: string): StrataError {
  return new StrataError({
    code: 'compat.range-file',
    what: 'malformed range file',
    where: `${file}, line ${line}`,
    expected,
    found: found === '' ? 'nothing' : JSON.stringify(found.slice(0, 60)),
  });
}
