import { existsSync } from 'node:fs';
import { StrataError } from '@strata/model/machine';

/** Fonts with the widths of Helvetica first. Publishers want the font inside the file, which PDF's own Helvetica is not. */
const fontFiles = {
  regular: [
    '/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf',
    '/usr/share/fonts/truetype/liberation2/LiberationSans-Regular.ttf',
    '/usr/share/fonts/liberation-sans/LiberationSans-Regular.ttf',
    '/System/Library/Fonts/Supplemental/Arial.ttf',
    'C:\\Windows\\Fonts\\arial.ttf',
    '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf',
    '/usr/share/fonts/TTF/DejaVuSans.ttf',
  ],
  bold: [
    '/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf',
    '/usr/share/fonts/truetype/liberation2/LiberationSans-Bold.ttf',
    '/usr/share/fonts/liberation-sans/LiberationSans-Bold.ttf',
    '/System/Library/Fonts/Supplemental/Arial Bold.ttf',
    'C:\\Windows\\Fonts\\arialbd.ttf',
    '/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf',
    '/usr/share/fonts/TTF/DejaVuSans-Bold.ttf',
  ],
} as const;

const pointsPerPixel = 72 / 96;

export interface PdfOptions {
  readonly title: string;
  /** Where fonts may lie; for tests. */
  readonly fonts?: Readonly<Record<'regular' | 'bold', readonly string[]>>;
}

export interface Pdf {
  readonly bytes: Uint8Array;
  /** False where the system has no font to put in: PDF's own Helvetica then, which holds Latin letters only. */
  readonly fontsInside: boolean;
}

/**
 * An SVG as a PDF page of its size in print (96 pixels to the inch), vectors and text kept. The same SVG gives the same bytes.
 * @throws StrataError `figure.svg` when the text is no SVG with a width and a height
 */
export async function pdfOf(svg: string, { title, fonts = fontFiles }: PdfOptions): Promise<Pdf> {
  const [{ default: PdfDocument }, { default: svgToPdf }] = await Promise.all([
    import('pdfkit'),
    import('svg-to-pdfkit'),
  ]);
  const [width, height] = sizeOf(svg);
  const document = new PdfDocument({
    size: [width * pointsPerPixel, height * pointsPerPixel],
    margin: 0,
    // No time stamp: it would make every drawing another file.
    info: { Title: title, Creator: 'Strata', CreationDate: new Date(0) },
  });
  const parts: Uint8Array[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    document.on('data', (part: Uint8Array) => parts.push(part));
    document.on('end', resolve);
    document.on('error', reject);
  });
  const found = { regular: fonts.regular.find(existsSync), bold: fonts.bold.find(existsSync) };
  // Vega writes a solid line as dashes without gaps, which PDF refuses.
  svgToPdf(document, svg.replaceAll('stroke-dasharray="1,0"', ''), 0, 0, {
    width: width * pointsPerPixel,
    height: height * pointsPerPixel,
    fontCallback: (_family, bold) => (bold ? (found.bold ?? 'Helvetica-Bold') : (found.regular ?? 'Helvetica')),
  });
  document.end();
  await ended;
  return { bytes: Buffer.concat(parts), fontsInside: found.regular !== undefined && found.bold !== undefined };
}

function sizeOf(svg: string): [width: number, height: number] {
  const size = (name: string) =>
    Number(new RegExp(`^[^>]*?\\s${name}="([\\d.]+)`).exec(svg.slice(svg.indexOf('<svg')))?.[1]);
  const [width, height] = [size('width'), size('height')];
  if (width > 0 && height > 0) return [width, height];
  throw new StrataError({
    code: 'figure.svg',
    what: 'no drawing of a known size',
    expected: '<svg width="..." height="...">',
    found: JSON.stringify(svg.slice(0, 40)),
  });
}
