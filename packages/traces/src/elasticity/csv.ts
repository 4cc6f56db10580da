import type { Demand } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import { quoted } from '../tables/lines.ts';
import { type Column, type Layout, layoutOf, unquoted } from './csv-columns.ts';
import { createDemandBuilder, type DemandBuilder, type RecordedSetUp } from './demand-builder.ts';
import { secondsOf, timeOf } from './times.ts';

/** Reads demand as CSV, one recording per pair of `mode` and `run`. */
export interface DemandCsvReader {
  /** @param isCutOff the line is the last and not ended by a line break */
  line(text: string, number: number, isCutOff?: boolean): void;
  finish(options: { readonly totalMib?: number }): Demand[];
  readonly warnings: readonly string[];
}

interface Recording {
  readonly builder: DemandBuilder;
  readonly mode: string;
}

export function createDemandCsvReader(path: string): DemandCsvReader {
  let layout: Layout | undefined;
  const recordings = new Map<string, Recording>();
  const notes: string[] = [];

  function recordingOf(mode: string, run: string): Recording {
    const key = [mode, run].filter((word) => word !== '').join('/');
    const known = recordings.get(key) ?? { builder: createDemandBuilder(), mode };
    recordings.set(key, known);
    return known;
  }

  function add(columns: Layout, text: string, where: string): void {
    const cells = text.split(columns.delimiter).map(unquoted);
    if (cells.length < columns.width || cells.slice(columns.width).some((cell) => cell !== ''))
      throw malformed(where, `${columns.width} cells`, text);
    const size = ({ at, scale }: Column) => cell(cells, at, where) * scale;
    const total = size(columns.total);
    const inUse = (column: Column) => {
      const value = columns.free ? total - size(column) : size(column);
      // The artifact's counter of pages in use was invalid under LLFree with VFIO: negative values mean unknown.
      return value >= 0 ? value : Number.NaN;
    };
    const word = (at: number) => cells[at] ?? '';
    recordingOf(word(columns.mode), word(columns.run)).builder.add(
      {
        seconds: secondsIn(word(columns.seconds.at), columns.seconds.scale, where, text),
        totalMib: total,
        usedMib: inUse(columns.used),
        usedHugeMib: inUse(columns.usedHuge),
        residentMib: size(columns.resident),
      },
      where,
    );
  }

  return {
    line(text, number, isCutOff = false) {
      if (text.trim() === '' || text.startsWith('#')) return;
      const where = `${path}, line ${number}`;
      if (layout === undefined) {
        layout = layoutOf(text, where);
        return;
      }
      try {
        add(layout, text, where);
        if (isCutOff) notes.push(`${where}: the last line has no end: its last number may be cut off.`);
      } catch (error) {
        if (!isCutOff || !(error instanceof StrataError)) throw error;
        notes.push(`${where}: the last line is cut off and left out.`);
      }
    },
    finish({ totalMib }) {
      return [...recordings].map(([key, { builder, mode }]) =>
        builder.finish(key === '' ? path : key, key === '' ? path : `${path}, ${key}`, {
          ...setUpOf(mode),
          ...(totalMib !== undefined && { totalMib }),
        }),
      );
    },
    get warnings() {
      return [...notes, ...[...recordings.values()].flatMap(({ builder }) => builder.warnings)];
    },
  };
}

function secondsIn(text: string, scale: number, where: string, line: string): number {
  const value = Number(text === '' ? 'none' : text);
  // Columns that claim milliseconds hold seconds in some public files: what is too small for the one is the other.
  if (scale < 1 && value > 1e9 && value < 1e11) return value;
  const seconds = Number.isNaN(value) ? timeOf(text) : scale === 1 ? secondsOf(value) : value * scale;
  if (Number.isFinite(seconds)) return seconds;
  throw malformed(where, 'a time in seconds, or a date', line);
}

/** A number, or not a number for an empty or absent cell. */
function cell(cells: readonly string[], at: number, where: string): number {
  const text = cells[at] ?? '';
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
