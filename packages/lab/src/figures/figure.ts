import type { Row } from '../terminal/table.ts';

/** A Vega-Lite specification without its data; what a user may edit. */
export type VegaLiteSpec = Readonly<Record<string, unknown>>;

/** A figure as data: it is stored as SVG with its specification and rows beside it. */
export interface Figure {
  /** File name without extension: `cycles-per-walk`. */
  readonly name: string;
  readonly title: string;
  /** What it shows and what it was made from, in a sentence or two. */
  readonly caption: string;
  /** Columns of a printed page: 3.3 in or 7 in wide. */
  readonly width: 'single' | 'double';
  /** Marks and encodings; data, size and style are added when it is drawn. */
  readonly spec: VegaLiteSpec;
  readonly rows: readonly Row[];
}
