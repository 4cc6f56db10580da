import { ioMachineSpec, protectionSchemes } from '@strata/model/io';
import { type Field, flatten, type Spec, StrataError } from '@strata/model/machine';

/** What of a setting is the scheme's: `scheme.batch=64`. */
const schemePrefix = 'scheme.';

export interface Assigned {
  readonly machine: Record<string, unknown>;
  readonly values: Record<string, unknown>;
}

/**
 * Settings `key=value` over fields of the machine and values of a scheme: `walkers=4`, `iotlb.entries=64`, `scheme.batch=64`. Names and
 * ranges are checked where the machine and the scheme are resolved.
 * @throws StrataError `io.setting`, `registry.unknown-name`
 */
export function assigned(
  settings: readonly string[],
  scheme: string,
  given: Readonly<Partial<Assigned>> = {},
): Assigned {
  const machine = { ...given.machine };
  const values = { ...given.values };
  const { spec } = protectionSchemes.get(scheme);
  for (const setting of settings)
    if (setting.startsWith(schemePrefix)) assign(values, setting.slice(schemePrefix.length), spec);
    else assign(machine, setting, ioMachineSpec);
  return { machine, values };
}

/** `path=value` into an object of the spec's fields; what the value is, the field says. */
function assign(given: Record<string, unknown>, setting: string, spec: Spec): void {
  const equals = setting.indexOf('=');
  if (equals < 1)
    throw new StrataError({
      code: 'io.setting',
      what: 'a setting is malformed',
      where: '--set',
      expected: 'key=value, such as walkers=4 or iotlb.entries=64',
      found: setting,
    });
  const path = setting.slice(0, equals);
  const text = setting.slice(equals + 1);
  const field = flatten(spec).find((row) => row.path === path)?.field;
  const [name = '', member] = path.split('.');
  const value = settingValue(field?.kind, text);
  if (member === undefined) given[name] = value;
  else given[name] = { ...(given[name] as Record<string, unknown> | undefined), [member]: value };
}

function settingValue(kind: Field['kind'] | undefined, text: string): unknown {
  if (kind === 'flag') return text === 'true' ? true : text === 'false' ? false : text;
  if (kind === 'choice' || kind === 'text' || text === '' || Number.isNaN(Number(text))) return text;
  return Number(text);
}

/** A parameter and the values that a sweep gives it. */
export interface IoAxis {
  readonly path: string;
  readonly values: readonly string[];
}

/** More than this is a mistake in an axis rather than a study. */
const mostCombinations = 10_000;

/** `walkers=1,2,4` or `scheme.batch=16,64`. @throws StrataError `usage.axis` */
export function parseIoAxis(text: string): IoAxis {
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(0, equals)).trim();
  const values = text
    .slice(equals + 1)
    .split(',')
    .map((value) => value.trim());
  if (equals < 1 || values.includes(''))
    throw new StrataError({
      code: 'usage.axis',
      what: 'not an axis',
      where: '--axis',
      expected: 'parameter=value,value,... such as walkers=1,2,4 or scheme.batch=16,64,256',
      found: text,
    });
  return { path, values };
}

/** Settings of every combination, the last axis running fastest; one without settings when there are no axes. @throws StrataError `usage.axis` */
export function combinationsOf(axes: readonly IoAxis[]): readonly (readonly string[])[] {
  const repeated = axes.find(({ path }, at) => axes.findIndex((axis) => axis.path === path) !== at);
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  if (repeated !== undefined || count > mostCombinations)
    throw new StrataError({
      code: 'usage.axis',
      what: repeated !== undefined ? `two axes for ${repeated.path}` : `${count} combinations`,
      where: '--axis',
      expected: repeated !== undefined ? 'one axis for each parameter' : `at most ${mostCombinations}`,
    });
  return axes.reduce<string[][]>(
    (combinations, { path, values }) =>
      combinations.flatMap((combination) => values.map((value) => [...combination, `${path}=${value}`])),
    [[]],
  );
}
