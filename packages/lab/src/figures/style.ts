import type { Figure, VegaLiteSpec } from './figure.ts';

/**
 * Okabe and Ito's palette ("Color Universal Design", 2008), ordered so that neighbours also differ in lightness: told apart by people with
 * any colour vision and on a grey print.
 */
export const palette = ['#0072B2', '#E69F00', '#000000', '#56B4E9', '#D55E00', '#009E73', '#CC79A7', '#F0E442'];

/** CSS pixels are 1/96 in; the widths of one and of two columns of an ACM or USENIX page. */
export const widthPixels = { single: 3.3 * 96, double: 7 * 96 } as const;

/** 7.5 pt, what remains readable beside 9 pt body text. */
const textPixels = 10;
const font = 'Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif';

/** Names of designs side by side that the width holds; more go into further rows, where a row that is too long would be cut off. */
const legendColumns = { single: 3, double: 7 } as const;

/** The complete Vega-Lite document of a figure: editable, and drawable by any Vega. */
export function vegaLiteDocument(figure: Figure): VegaLiteSpec {
  const sized = !('facet' in figure.spec) && !('hconcat' in figure.spec) && !('vconcat' in figure.spec);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: figure.caption,
    data: { values: figure.rows },
    ...(sized ? { width: Math.round(widthPixels[figure.width]), autosize: { type: 'fit', contains: 'padding' } } : {}),
    ...figure.spec,
    config: {
      background: 'white',
      font,
      padding: 4,
      range: { category: palette, ordinal: palette, heatmap: { scheme: 'viridis' } },
      view: { stroke: null, discreteHeight: { step: 18 } },
      axis: {
        labelFontSize: textPixels,
        titleFontSize: textPixels,
        titleFontWeight: 'normal',
        domainColor: '#444',
        tickColor: '#444',
        gridColor: '#e4e4e4',
        labelColor: '#111',
        titleColor: '#111',
        tickSize: 3,
        labelLimit: 220,
      },
      legend: {
        labelFontSize: textPixels,
        titleFontSize: textPixels,
        titleFontWeight: 'normal',
        symbolSize: 60,
        orient: 'top',
        labelLimit: 200,
        offset: 6,
        columns: legendColumns[figure.width],
      },
      header: { labelFontSize: textPixels, titleFontSize: textPixels, labelFontWeight: 'bold', title: null },
      bar: { color: palette[0] },
      text: { fontSize: textPixels - 1, color: '#111' },
      line: { strokeWidth: 1.5 },
    },
  };
}
