import { StrataError } from './errors.ts';
import { type PartialValuesOf, resolve } from './fields.ts';
import { checkMachine, type MachineConfig, machineSpec } from './machine-config.ts';
import { machines } from './presets/index.ts';

export type MachineOverrides = PartialValuesOf<typeof machineSpec>;

/**
 * A machine from the name of a preset, or from what a machine file says: `{ extends: PRESET, ...values that differ }`; without
 * `extends` the values differ from the artifact's machine. Fields in bytes also take text such as `32K`, `1.25M`, `2 GiB`.
 * @param where the file, for messages
 * @throws StrataError `registry.unknown-name`, `config.*`, `machine.impossible-geometry`
 */
export function resolveMachine(machine: unknown = 'artifact', where = 'machine'): MachineConfig {
  if (typeof machine === 'string') return checkMachine(resolve(machineSpec, machines.get(machine).values, machine));
  if (!isRecord(machine))
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'wrong type',
      where,
      expected: 'the name of a machine or an object',
      found: JSON.stringify(machine) ?? String(machine),
      mend: `Known machines: ${machines.names.join(', ')}.`,
    });
  const { extends: base = 'artifact', ...overrides } = machine;
  if (typeof base !== 'string')
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'wrong type',
      where: `${where}.extends`,
      expected: 'the name of a machine',
      found: JSON.stringify(base),
      mend: `Known machines: ${machines.names.join(', ')}.`,
    });
  const merged = merge(machines.get(base).values, withSizes(overrides));
  return checkMachine(resolve(machineSpec, merged, where), where);
}

/** The values of `over` in place of those of `base`, group by group. */
function merge(base: unknown, over: unknown): unknown {
  if (!isRecord(base) || !isRecord(over)) return over === undefined ? base : over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) merged[key] = merge(merged[key], value);
  return merged;
}

const unitBytes: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function withSizes(value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key.endsWith('Bytes') && typeof inner === 'string' ? bytesOf(inner) : withSizes(inner),
    ]),
  );
}

/** Text that is not a size stays as it is: the field's own check says what was expected. */
function bytesOf(text: string): number | string {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?\s*$/i.exec(text);
  return match === null ? text : Number(match[1]) * unitBytes[match[2]!.toLowerCase()]!;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
