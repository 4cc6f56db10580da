import { StrataError } from '@strata/model/machine';
import { type Configuration, merge, nest, parseScalar } from '../config/load.ts';

/** A configuration path and the values it takes. */
export interface Axis {
  readonly path: string;
  readonly values: readonly unknown[];
}

/** One simulation of a sweep: where it lies on the axes, and its configuration. */
export interface Point {
  readonly index: number;
  readonly coordinates: Readonly<Record<string, unknown>>;
  readonly configuration: Configuration;
}

/** More than this is a mistake in an axis rather than a study. */
const mostPoints = 100_000;

/** `machine.tlb.l2.ways=4,8,16`. A value with commas stands in brackets or quotes as in YAML. @throws StrataError `usage.axis` */
export async function parseAxis(text: string): Promise<Axis> {
  const at = text.indexOf('=');
  const path = text.slice(0, Math.max(0, at)).trim();
  const values = at < 0 ? undefined : await parseScalar(`[${text.slice(at + 1)}]`);
  if (!/^[\w-]+(\.[\w-]+)*$/.test(path) || !Array.isArray(values) || values.length === 0)
    throw new StrataError({
      code: 'usage.axis',
      what: 'not an axis',
      where: '--axis',
      expected: 'path=value,value,... such as machine.tlb.l2.ways=4,8,16',
      found: text,
    });
  return { path, values };
}

/** Every combination, the last axis running fastest. @throws StrataError `usage.axis` on a repeated path or too many points */
export function pointsOf(base: Configuration, axes: readonly Axis[]): Point[] {
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  const repeated = axes.find(({ path }, at) => axes.findIndex((axis) => axis.path === path) !== at);
  if (repeated !== undefined || count > mostPoints)
    throw new StrataError({
      code: 'usage.axis',
      what: repeated !== undefined ? `two axes for ${repeated.path}` : `${count} points`,
      where: '--axis',
      expected: repeated !== undefined ? 'one axis for each path' : `at most ${mostPoints}`,
    });
  return Array.from({ length: count }, (_, index) => {
    const coordinates: Record<string, unknown> = {};
    let configuration = base;
    let rest = index;
    for (const { path, values } of [...axes].reverse()) {
      coordinates[path] = values[rest % values.length];
      rest = Math.floor(rest / values.length);
    }
    const ordered = Object.fromEntries(axes.map(({ path }) => [path, coordinates[path]]));
    for (const { path } of axes) configuration = merge(configuration, nest(path, ordered[path]));
    return { index, coordinates: ordered, configuration };
  });
}
