import { StrataError } from '@strata/model/machine';

/** Value by the sample's full name, labels left out. */
export type Samples = ReadonlyMap<string, number>;

/** OpenMetrics 1.0 text. @throws StrataError `far.metrics` with the line */
export function parseOpenMetrics(text: string, where: string): Samples {
  const samples = new Map<string, number>();
  text.split('\n').forEach((line, at) => {
    if (line === '' || line.startsWith('#')) return;
    const match = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    const value = match === null ? Number.NaN : Number(match[2]!.replace(/^\+?Inf$/, 'Infinity'));
    if (match === null || Number.isNaN(value))
      throw new StrataError({
        code: 'far.metrics',
        what: 'not a line of OpenMetrics',
        where: `${where}:${at + 1}`,
        found: line.slice(0, 80),
      });
    samples.set(match[1]!, value);
  });
  return samples;
}
