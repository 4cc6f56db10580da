import { StrataError } from '@strata/model/machine';
import { quoted } from '../tables/lines.ts';

const mib = 1_048_576;
const pageMib = 1 / 256;
const hugeMib = 2;

/** A column and what one of it is: MiB, or seconds. */
export interface Column {
  readonly at: number;
  readonly scale: number;
}

/** Which columns of a file hold what: every layout names the same quantities in its own words and units. */
export interface Layout {
  readonly delimiter: string;
  readonly width: number;
  readonly seconds: Column;
  readonly mode: number;
  readonly run: number;
  readonly used: Column;
  readonly usedHuge: Column;
  readonly resident: Column;
  readonly total: Column;
  /** The artifact's own files hold what is free, in pages and in frames. */
  readonly free: boolean;
}

/** Names of quantities without their unit; the first that is there counts. */
const names = {
  seconds: ['t', 'time', 'seconds', 'timestamp', 'date', 'minutes'],
  mode: ['mode', 'technique'],
  run: ['run', 'vm', 'iter'],
  used: ['used_small', 'used', 'used4k', 'used_4k', 'memory_usage'],
  usedHuge: ['used_huge', 'used_2m'],
  resident: ['rss', 'resident'],
  total: ['total', 'size', 'memory_capacity_provisioned'],
};

/** Tools of Linux and of hypervisors mean powers of 1024 by all of these. */
const sizes: Readonly<Record<string, number>> = {
  b: 1 / mib,
  bytes: 1 / mib,
  kb: 1 / 1024,
  kib: 1 / 1024,
  mb: 1,
  mib: 1,
  gb: 1024,
  gib: 1024,
};
const times: Readonly<Record<string, number>> = {
  s: 1,
  sec: 1,
  seconds: 1,
  ms: 1e-3,
  us: 1e-6,
  ns: 1e-9,
  min: 60,
  minutes: 60,
};

interface Named {
  readonly name: string;
  readonly unit: string | undefined;
}

/** Columns of a header with what they are called without unit: `used_small_mib`, `Memory usage [KB]`, `"time (ms)"`. */
function headerOf(line: string): { readonly delimiter: string; readonly columns: readonly Named[] } {
  const delimiter = [';', '\t', ','].find((character) => line.includes(character)) ?? ',';
  return { delimiter, columns: line.split(delimiter).map(namedOf) };
}

function namedOf(cell: string): Named {
  const words = unquoted(cell)
    .toLowerCase()
    .replace(/[[\]()]/g, ' ')
    .split(/[\s_]+/)
    .filter((word) => word !== '');
  const last = words.at(-1) ?? '';
  const hasUnit = words.length > 1 && (Object.hasOwn(sizes, last) || Object.hasOwn(times, last));
  return { name: (hasUnit ? words.slice(0, -1) : words).join('_'), unit: hasUnit ? last : undefined };
}

/** A cell without the quotes that spreadsheets put around it. */
export function unquoted(cell: string): string {
  const text = cell.trim();
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).trim() : text;
}

function find(columns: readonly Named[], wanted: readonly string[]): number {
  for (const name of wanted) {
    const at = columns.findIndex((column) => column.name === name);
    if (at >= 0) return at;
  }
  return -1;
}

function isFree(columns: readonly Named[]): boolean {
  return ['rss', 'small', 'huge', 'total'].every((wanted) =>
    columns.some(({ name, unit }) => name === wanted && unit === undefined),
  );
}

/** Whether the first line of a file is a header of demand. */
export function isDemandHeader(line: string): boolean {
  const { columns } = headerOf(line);
  return find(columns, names.seconds) >= 0 && hasDemand(columns);
}

function hasDemand(columns: readonly Named[]): boolean {
  return isFree(columns) || find(columns, [...names.used, ...names.usedHuge]) >= 0;
}

/** @throws StrataError `elastic.bad-demand` for a header without a time, without demand, or with a size that has no unit */
export function layoutOf(line: string, where: string): Layout {
  const { delimiter, columns } = headerOf(line);
  const seconds = find(columns, names.seconds);
  if (seconds < 0 || !hasDemand(columns))
    throw new StrataError({
      code: 'elastic.bad-demand',
      what: 'the header names no demand',
      where,
      expected:
        'a time (t_s, seconds, time, timestamp) and used_small or used_huge with a unit (used_mib, used_gib, used_kb, used_bytes), or time,rss,small,huge,cached,total',
      found: quoted(line),
    });
  const free = isFree(columns);
  const size = (wanted: readonly string[]): Column => {
    const at = find(columns, wanted);
    return { at, scale: at < 0 || free ? 1 / mib : sizeOf(columns[at]!, where) };
  };
  const { name, unit } = columns[seconds]!;
  return {
    delimiter,
    width: columns.length,
    seconds: { at: seconds, scale: name === 'minutes' ? 60 : (times[unit ?? 's'] ?? 1) },
    mode: find(columns, names.mode),
    run: find(columns, names.run),
    used: free ? { at: find(columns, ['small']), scale: pageMib } : size(names.used),
    usedHuge: free ? { at: find(columns, ['huge']), scale: hugeMib } : size(names.usedHuge),
    resident: size(names.resident),
    total: size(names.total),
    free,
  };
}

function sizeOf({ name, unit }: Named, where: string): number {
  const scale = unit === undefined ? undefined : sizes[unit];
  if (scale !== undefined) return scale;
  throw new StrataError({
    code: 'elastic.bad-demand',
    what: `the column ${name} has no unit`,
    where,
    expected: `one of ${Object.keys(sizes).join(', ')} at the end of its name`,
    found: name,
    mend: `Such as ${name}_mib.`,
  });
}
