import { describe, expect, it } from 'vitest';
import { drawSvg } from './draw.ts';
import { pdfOf } from './pdf.ts';
import { vegaLiteDocument } from './style.ts';

const figure = {
  name: 'lines',
  title: 'Two lines',
  caption: '',
  spec: {
    height: 100,
    mark: { type: 'line' },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: 'Cycles × walks' },
      y: { field: 'y', type: 'quantitative' },
      strokeDash: { field: 'design', type: 'nominal' },
    },
  },
  rows: [
    { design: 'radix', x: 0, y: 1 },
    { design: 'radix', x: 1, y: 2 },
    { design: 'shadow', x: 0, y: 2 },
    { design: 'shadow', x: 1, y: 1 },
  ],
} as const;

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('a figure as PDF', () => {
  it.each([
    ['single', 3.3],
    ['double', 7],
  ] as const)('is as wide as a %s column (%d in), and the same bytes each time', async (width, inches) => {
    const svg = await drawSvg(vegaLiteDocument({ ...figure, width }));
    const [{ bytes }, again] = [await pdfOf(svg, { title: 'lines' }), await pdfOf(svg, { title: 'lines' })];
    expect(text(bytes)).toMatch(/^%PDF-/);
    const [, points] = /\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/.exec(text(bytes))!;
    expect(Math.abs(Number(points) / 72 - inches)).toBeLessThan(0.02);
    expect(again.bytes).toEqual(bytes);
  });

  it('says when no font could be put inside', async () => {
    const svg = await drawSvg(vegaLiteDocument({ ...figure, width: 'single' }));
    const { bytes, fontsInside } = await pdfOf(svg, { title: 'lines', fonts: { regular: ['/nowhere.ttf'], bold: [] } });
    expect(fontsInside).toBe(false);
    expect(text(bytes)).toContain('/BaseFont /Helvetica');
  });

  it('is refused for what is no drawing', async () => {
    await expect(pdfOf('hello', { title: 'x' })).rejects.toThrow(/<svg/);
  });
});
