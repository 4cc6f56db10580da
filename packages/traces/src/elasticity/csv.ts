import type { Demand } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import { quoted } from '../tables/lines.ts';
import { createDemandBuilder, type DemandBuilder, type RecordedSetUp } from './demand-builder.ts';

const mib = 1_048_576;
const pageMib = 1 / 256;
const hugeMib = 2;

/** How the columns of a header are read: every layout names the same quantities in its own words and units. */
interface Layout {
  readonly seconds: number;
  readonly mode: number;
  readonly run: number;
  readonly used: number;
  readonly usedHuge: number;
  readonly resident: number;
  readonly total: number;
  /** The artifact's own files hold free pages and free frames, and bytes. */
  readonly raw: boolean;
}

/** Names of columns, the first that is there counts. */
const names = {
  seconds: ['t_s', 'seconds', 'time_s', 'time', 't'],
  mode: ['mode', 'technique'],
  run: ['run', 'vm', 'iter'],
  used: ['used_small_mib', 'used_mib', 'used4k_mib', 'used_4k_mib'],
  usedHuge: ['used_huge_mib', 'used_2m_mib'],
  resident: ['rss_mib', 'resident_mib'],
  total: ['total_mib', 'size_mib'],
};

/** Whether the first line of a file is a header of demand. */
export function isDemandHeader(line: string): boolean {
  const columns = columnsOf(line);
  return columns.some((name) => names.seconds.includes(name)) && (isRaw(columns) || hasDemand(columns));
}

function columnsOf(line: string): string[] {
  return line.split(',').map((name) => name.trim().toLowerCase());
}

function isRaw(columns: readonly string[]): boolean {
  return ['rss', 'small', 'huge', 'total'].every((name) => columns.includes(name));
}

function hasDemand(columns: readonly string[]): boolean {
  return [...names.used, ...names.usedHuge].some((name) => columns.includes(name));
}

function layoutOf(line: string, where: string): Layout {
  const columns = columnsOf(line);
  const raw = isRaw(columns);
  const at = (wanted: readonly string[]) => columns.findIndex((name) => wanted.includes(name));
  if (at(names.seconds) < 0 || !(raw || hasDemand(columns)))
    throw new StrataError({
      code: 'elastic.bad-demand',
      what: 'the header names no demand',
      where,
      expected: `a time (${names.seconds.join(', ')}) and used_small_mib or used_huge_mib, or time,rss,small,huge,cached,total`,
      found: quoted(line),
    });
  return {
    seconds: at(names.seconds),
    mode: at(names.mode),
    run: at(names.run),
    used: raw ? columns.indexOf('small') : at(names.used),
    usedHuge: raw ? columns.indexOf('huge') : at(names.usedHuge),
    resident: raw ? columns.indexOf('rss') : at(names.resident),
    total: raw ? columns.indexOf('total') : at(names.total),
    raw,
  };
}

/** Reads demand as CSV, one recording per pair of `mode` and `run`. */
export interface DemandCsvReader {
  line(text: string, number: number): void;
  finish(options: { readonly totalMib?: number }): Demand[];
}

export function createDemandCsvReader(path: string): DemandCsvReader {
  let layout: Layout | undefined;
  const recordings = new Map<string, { readonly builder: DemandBuilder; readonly mode: string }>();
  return {
    line(text, number) {
      if (text.trim() === '' || text.startsWith('#')) return;
      const where = `${path}, line ${number}`;
      if (layout === undefined) {
        layout = layoutOf(text, where);
        return;
      }
      const cells = text.split(',');
      const { raw } = layout;
      const total = cell(cells, layout.total, where) * (raw ? 1 / mib : 1);
      const used = cell(cells, layout.used, where);
      const usedHuge = cell(cells, layout.usedHuge, where);
      const seconds = cell(cells, layout.seconds, where);
      if (Number.isNaN(seconds)) throw malformed(where, 'a time in seconds', text);
      const mode = layout.mode < 0 ? '' : (cells[layout.mode] ?? '').trim();
      const run = layout.run < 0 ? '' : (cells[layout.run] ?? '').trim();
      const key = [mode, run].filter((word) => word !== '').join('/');
      let recording = recordings.get(key);
      if (recording === undefined) {
        recording = { builder: createDemandBuilder(), mode };
        recordings.set(key, recording);
      }
      recording.builder.add({
        seconds,
        totalMib: total,
        // The counter of pages in use was invalid under LLFree with VFIO: negative values mean unknown.
        usedMib: known(raw ? total - used * pageMib : used),
        usedHugeMib: known(raw ? total - usedHuge * hugeMib : usedHuge),
        residentMib: cell(cells, layout.resident, where) * (raw ? 1 / mib : 1),
      });
    },
    finish({ totalMib }) {
      return [...recordings].map(([key, { builder, mode }]) =>
        builder.finish(key === '' ? path : key, key === '' ? path : `${path}, ${key}`, {
          ...setUpOf(mode),
          ...(totalMib !== undefined && { totalMib }),
        }),
      );
    },
  };
}

function known(value: number): number {
  return value >= 0 ? value : Number.NaN;
}

/** A number, or not a number for an empty or absent cell. */
function cell(cells: readonly string[], at: number, where: string): number {
  const text = cells[at]?.trim() ?? '';
  if (text === '') return Number.NaN;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw malformed(where, `a number in column ${at + 1}`, text);
}

function malformed(where: string, expected: string, found: string): StrataError {
  return new StrataError({ code: 'elastic.bad-demand', what: 'malformed line', where, expected, found: quoted(found) });
}

/** What the artifact's name of a mode says: `clang-llfree-auto-vfio`. */
export function setUpOf(mode: string): RecordedSetUp {
  const vfio = /(^|-)vfio($|-)/.test(mode);
  if (/llfree/.test(mode)) return { allocator: 'llfree', technique: /auto/.test(mode) ? 'hyperalloc' : 'static', vfio };
  if (/virtio-mem/.test(mode)) return { allocator: 'buddy', technique: 'virtio-mem', vfio };
  if (/(base|huge)-/.test(mode))
    return { allocator: 'buddy', technique: /auto/.test(mode) ? 'free-page-reporting' : 'static', vfio };
  return { vfio };
}
