import { StrataError } from '@strata/model/machine';
import type { VegaLiteSpec } from './figure.ts';

/** Draws a Vega-Lite document as SVG, in process. @throws StrataError `figure.spec` when it is not one */
export async function drawSvg(document: VegaLiteSpec, where = 'figure'): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const complaints: string[] = [];
  const logger = collectingLogger(complaints);
  try {
    const compiled = vegaLite.compile(document as never, { logger } as never);
    const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none', loader: offlineLoader(), logger });
    const svg = await view.toSVG();
    view.finalize();
    if (complaints.length > 0) throw new Error(complaints[0]);
    return svg;
  } catch (error) {
    throw new StrataError({
      code: 'figure.spec',
      what: `cannot be drawn: ${error instanceof Error ? error.message : String(error)}`,
      where,
      expected: 'a Vega-Lite specification with its data inside',
      mend: 'Compare with the figures/*.vl.json of a run folder.',
    });
  }
}

/** Figures carry their data; nothing is ever fetched. */
function offlineLoader() {
  const refuse = () => Promise.reject(new Error('figures hold their data; nothing is fetched'));
  return { load: refuse, sanitize: refuse, http: refuse, file: refuse, options: {} } as never;
}

/** Errors count, warnings of the layout (a fit that cannot be exact) do not. */
function collectingLogger(complaints: string[]) {
  const logger = {
    level: () => logger,
    error(...words: readonly unknown[]) {
      complaints.push(words.map(String).join(' '));
      return logger;
    },
    warn: () => logger,
    info: () => logger,
    debug: () => logger,
  };
  return logger as never;
}

/** Dots per inch of a PNG for print. */
const printResolution = 300;

/** Rasterises an SVG at 300 dots per inch. @throws StrataError `figure.no-fonts` where the system has no font to write with */
export async function pngOf(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js');
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
  const probe = new Resvg(
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text y="15">Mg</text></svg>',
    {
      font,
    },
  );
  if (probe.getBBox() === undefined)
    throw new StrataError({
      code: 'figure.no-fonts',
      what: 'this system has no fonts, so a PNG would have no text',
      mend: 'Install one (Debian: apt-get install fonts-dejavu-core) or use the SVG. strata doctor shows what is present.',
      exitCode: 3,
    });
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: printResolution / 96 }, background: 'white', font })
    .render()
    .asPng();
}
