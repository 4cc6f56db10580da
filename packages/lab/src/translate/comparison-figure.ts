import type { Figure } from '../figures/figure.ts';
import type { Row } from '../terminal/table.ts';

interface Panel {
  readonly field: string;
  readonly title: string;
  readonly show: (value: number) => string;
  /** Numbers of the axis, where they are not plain. */
  readonly format?: string;
  /** Where radix stands, for figures that are relative to it. */
  readonly baseline?: number;
}

const percent = (value: number) => `${(100 * value).toFixed(0)} %`;
const times = (value: number) => `${value.toFixed(2)}×`;

const panels: readonly Panel[] = [
  { field: 'cyclesPerWalk', title: 'Cycles per walk', show: (value) => value.toFixed(0) },
  { field: 'referencesPerWalk', title: 'References per walk', show: (value) => value.toFixed(2) },
  { field: 'coverage', title: 'Coverage', show: percent, format: '.0%' },
  { field: 'memoryOverhead', title: 'Tables / radix’', show: times, baseline: 1 },
  { field: 'speedup', title: 'Walk speedup', show: times, baseline: 1 },
  { field: 'applicationSpeedup', title: 'Application (est.)', show: times, baseline: 1 },
];

/**
 * What a comparison is about, one panel each: a row of bars per design and set-up.
 * @param rows of the comparison's table
 * @param quality of the baseline of each set-up, a sentence each
 */
export function comparisonFigure(rows: readonly Row[], quality: readonly string[]): Figure {
  const several = new Set(rows.map(({ setup }) => setup)).size > 1;
  const shown = panels.filter(({ field }) => rows.some((row) => typeof row[field] === 'number'));
  return {
    name: 'comparison',
    title: 'Translation designs compared',
    caption: `Every design on the same last-level TLB misses, with tables and caches of its own. Speedups are worth what their baseline is: ${quality.join('; ')}.`,
    width: 'double',
    spec: {
      // Speedups are read with what they are measured against.
      title: {
        text: [...quality].map((sentence) =>
          sentence.replace(/^.*baseline radix/, `${sentence.split(':')[0]} baseline radix:`),
        ),
        fontSize: 7,
        fontWeight: 'normal',
        anchor: 'start',
        orient: 'bottom',
        offset: 6,
      },
      hconcat: shown.map(({ field, title, format, baseline }, index) => ({
        title: { text: title, fontSize: 8, anchor: 'start' },
        width: 92,
        height: { step: 11 },
        transform: [{ filter: `datum.panel === '${field}'` }],
        encoding: {
          y: {
            field: 'bar',
            type: 'nominal',
            sort: null,
            title: null,
            // Widths are estimated without a font, too wide: a limit near them cuts.
            axis: index === 0 ? { labelLimit: 400 } : { labels: false, ticks: false },
          },
          x: {
            field: 'value',
            type: 'quantitative',
            title: null,
            axis: { tickCount: 3, ...(format === undefined ? {} : { format }) },
            scale: { domain: [0, 1.35 * largest(rows, field)] },
          },
        },
        layer: [
          {
            mark: { type: 'bar', height: { band: 0.7 } },
            // Bars of a set-up share a colour: twenty rows are hard to tell apart by their names alone.
            ...(several ? { encoding: { color: { field: 'setup', type: 'nominal', sort: null, legend: null } } } : {}),
          },
          ...(baseline === undefined
            ? []
            : [
                {
                  mark: { type: 'rule', strokeDash: [3, 2], color: '#999' },
                  encoding: { x: { datum: baseline }, y: {} },
                },
              ]),
          { mark: { type: 'text', align: 'left', dx: 2, fontSize: 7 }, encoding: { text: { field: 'shown' } } },
        ],
      })),
      spacing: 8,
    },
    rows: shown.flatMap(({ field, show }) =>
      rows.map((row): Row => {
        const value = row[field];
        const bar = several ? `${row.setup}, ${row.design}` : String(row.design);
        // A bar without a value keeps its place, so that the panels line up.
        return typeof value === 'number'
          ? { panel: field, setup: row.setup, bar, value, shown: show(value) }
          : { panel: field, setup: row.setup, bar, value: 0, shown: '–' };
      }),
    ),
  };
}

function largest(rows: readonly Row[], field: string): number {
  return Math.max(1e-9, ...rows.map((row) => Number(row[field] ?? 0)));
}
