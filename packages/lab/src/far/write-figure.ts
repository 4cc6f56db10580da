import { StrataError } from '@strata/model/machine';
import { drawSvg, pngOf } from '../figures/draw.ts';
import type { Figure } from '../figures/figure.ts';
import { vegaLiteDocument } from '../figures/style.ts';
import { writeFileAtomically } from '../terminal/atomic-files.ts';

/** @throws StrataError `usage.figure` for an ending that names no kind of figure */
export async function writeFigure(file: string, figure: Figure): Promise<void> {
  requireFigureName(file);
  const svg = await drawSvg(vegaLiteDocument(figure), figure.name);
  writeFileAtomically(file, file.endsWith('.png') ? await pngOf(svg) : svg);
}

/** Before the work, so that nobody waits for a measurement to learn of a name. */
export function requireFigureName(file: string | undefined): void {
  if (file === undefined || /\.(svg|png)$/.test(file)) return;
  throw new StrataError({
    code: 'usage.figure',
    what: 'cannot tell what kind of figure is wanted',
    where: '--figure',
    expected: 'a file name that ends in .svg or .png',
    found: file,
  });
}
