import { flatten } from '../machine/fields.ts';
import type { Design } from './design.ts';

/** How the source of an assumed value begins. */
const isAssumed = /\b(assumed|unverified)\b/;

/**
 * What stands behind the figures of a design that no publication says, a sentence each: the model's assumptions, then every parameter whose
 * value is assumed or not verified.
 * @param values of its parameters; defaults where absent
 */
export function assumptionsOf(
  { assumptions = [], spec }: Pick<Design, 'assumptions' | 'spec'>,
  values: Readonly<Record<string, unknown>> = {},
): string[] {
  const parameters = flatten(spec).filter(({ field }) => isAssumed.test(field.source ?? ''));
  return [
    ...assumptions,
    ...parameters.map(({ path, field }) => {
      const unit = field.unit === undefined ? '' : ` ${field.unit}`;
      return `${path} = ${String(valueAt(values, path) ?? field.default)}${unit} (${field.summary}): ${field.source}.`;
    }),
  ];
}

function valueAt(values: Readonly<Record<string, unknown>>, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (at, name) => (typeof at === 'object' && at !== null && name in at ? at[name as never] : undefined),
      values,
    );
}
