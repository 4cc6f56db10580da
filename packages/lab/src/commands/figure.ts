import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StrataError } from '@strata/model/machine';
import { type Command, Option } from 'commander';
import { drawSvg, pngOf } from '../figures/draw.ts';
import type { VegaLiteSpec } from '../figures/figure.ts';
import { writeFileAtomically } from '../terminal/atomic-files.ts';
import { addExamples } from '../terminal/help.ts';
import { emit, note, type OutputOptions } from '../terminal/output.ts';
import { tableOf } from '../terminal/table.ts';

interface Options extends OutputOptions {
  readonly png?: boolean;
  readonly pdf?: boolean;
  readonly out?: string;
}

export function register(command: Command): void {
  command
    .argument('<source>', 'run folder, or a Vega-Lite specification with its data inside (*.vl.json)')
    .addOption(new Option('--png', 'draw PNG at 300 dots per inch instead of SVG').conflicts('pdf'))
    .option('--pdf', 'draw PDF, vectors and text kept, at the width of the column')
    .option('--out <folder>', 'where to put the drawings (default: beside the specification)')
    .option('--json', 'print one JSON document')
    .option('--quiet', 'no table on stdout')
    .action(async (source: string, options: Options) => {
      const written: string[] = [];
      const ending = options.png ? 'png' : options.pdf ? 'pdf' : 'svg';
      for (const file of specificationsOf(source)) {
        const svg = await drawSvg(readSpecification(file), file);
        const name = basename(file).replace(/(\.vl)?\.json$/, '');
        const target = join(options.out ?? dirname(file), `${name}.${ending}`);
        writeFileAtomically(target, await drawnAs(ending, svg, name, options));
        written.push(target);
      }
      await emit(
        {
          document: { figures: written },
          tables: [
            tableOf(
              'figures',
              written.map((figure) => ({ figure })),
            ),
          ],
        },
        options,
      );
    });
  addExamples(command, [
    'strata translate run --trace gen:gups,size=64MiB,accesses=1e5 --setup virtualized --designs shadow --out runs/designs',
    'strata figure runs/designs --png --out pictures',
    'strata figure runs/designs --pdf --out pictures',
  ]);
}

/** What draws a format is loaded only where it is wanted. */
async function drawnAs(
  ending: 'svg' | 'png' | 'pdf',
  svg: string,
  title: string,
  options: OutputOptions,
): Promise<string | Uint8Array> {
  if (ending === 'png') return pngOf(svg);
  if (ending === 'svg') return svg;
  const { pdfOf } = await import('../figures/pdf.ts');
  const { bytes, fontsInside } = await pdfOf(svg, { title });
  if (!fontsInside)
    note(
      'strata: warning: no font of this system could be put into the PDF; publishers may refuse it (Debian: fonts-liberation).',
      options,
    );
  return bytes;
}

function specificationsOf(source: string): string[] {
  if (!existsSync(source))
    throw new StrataError({ code: 'input.unreadable', what: 'no such file or folder', where: source });
  if (!statSync(source).isDirectory()) return [source];
  const inside = existsSync(join(source, 'figures')) ? join(source, 'figures') : source;
  const found = readdirSync(inside)
    .filter((name) => name.endsWith('.vl.json'))
    .sort()
    .map((name) => join(inside, name));
  if (found.length === 0)
    throw new StrataError({
      code: 'figure.none',
      what: 'no figures',
      where: source,
      expected: 'a run folder with figures/*.vl.json',
    });
  return found;
}

function readSpecification(file: string): VegaLiteSpec {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as VegaLiteSpec;
  } catch {
    // Told below.
  }
  throw new StrataError({
    code: 'figure.spec',
    what: 'not a JSON object',
    where: file,
    expected: 'a Vega-Lite specification',
  });
}
