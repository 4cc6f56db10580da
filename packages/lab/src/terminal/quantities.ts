import { StrataError } from '@strata/model/machine';

const binary: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };
const decimal: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12, p: 1e15 };

/**
 * Bytes from `4096`, `64k`, `1GiB`, `1e6`, `2 MB`. One letter and `KiB` are binary, as architects write them (`32K` of L1); `KB` is decimal.
 * @throws StrataError `usage.size`
 */
export function parseSize(text: string, where = 'size'): number {
  const match = /^([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*(?:([kmgtp])(i?b)?|b)?$/i.exec(text.trim());
  const prefix = match?.[2]?.toLowerCase();
  const unit = match?.[3]?.toLowerCase() === 'b' ? decimal : binary;
  const bytes = match ? Number(match[1]) * (prefix === undefined ? 1 : unit[prefix]!) : Number.NaN;
  if (!Number.isSafeInteger(bytes))
    throw new StrataError({
      code: 'usage.size',
      what: 'not a size in bytes',
      where,
      expected: 'a whole number of bytes such as 4096, 64k, 1GiB',
      found: text,
    });
  return bytes;
}

/**
 * A count from `1000000`, `1e6`, `64k` (thousands), `2.5M`.
 * @throws StrataError `usage.count`
 */
export function parseCount(text: string, where = 'count'): number {
  const match = /^([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)([kmgt])?$/i.exec(text.trim().replaceAll('_', ''));
  const prefix = match?.[2]?.toLowerCase();
  // 2.3 * 1e6 is not a whole number in binary floating point; the nearest one is meant.
  const scaled = match ? Number(match[1]) * (prefix === undefined ? 1 : decimal[prefix]!) : Number.NaN;
  const count = prefix !== undefined && Math.abs(scaled - Math.round(scaled)) < 1e-6 ? Math.round(scaled) : scaled;
  if (!Number.isSafeInteger(count))
    throw new StrataError({
      code: 'usage.count',
      what: 'not a count',
      where,
      expected: 'a whole number such as 1000000, 1e6, 2.5M',
      found: text,
    });
  return count;
}

/**
 * How many of how many, from `1e5/1e7`.
 * @throws StrataError `usage.sample`, `usage.count`
 */
export function parseSample(text: string, where = '--sample'): { readonly length: number; readonly period: number } {
  const [length, period, ...rest] = text.split('/');
  if (length === undefined || period === undefined || rest.length > 0)
    throw new StrataError({
      code: 'usage.sample',
      what: 'not a sample',
      where,
      expected: 'LENGTH/PERIOD such as 1e5/1e7: 100,000 accesses of every 10 million',
      found: text,
    });
  const sample = { length: parseCount(length, where), period: parseCount(period, where) };
  if (sample.length >= 1 && sample.length <= sample.period) return sample;
  throw new StrataError({
    code: 'usage.sample',
    what: 'the sample does not fit its period',
    where,
    expected: 'at least one access, and no more than the period has',
    found: text,
  });
}

/** `1.5 GiB`, `64 KiB`, `12 B`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : threeDigits(value)} ${units[unit]}`;
}

/** `12`, `1.25 M`, `3 G`: three significant digits for a person to read at a glance. */
export function formatCount(count: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  let value = count;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 && Number.isInteger(value) ? value : threeDigits(value)}${units[unit]}`;
}

/** `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

function threeDigits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
