import { StrataError } from '../machine/errors.ts';
import { jsonSchemaOf } from '../machine/fields.ts';
import { fieldsOfArchitecture, merged } from './architectures/architecture.ts';
import { ioArchitectures } from './architectures/registry.ts';
import { type IoMachine, ioMachineSpec, resolveIoMachine } from './correct/config.ts';
import { protectionSchemes, resolveScheme } from './schemes/registry.ts';
import type { ProtectionScheme } from './schemes/scheme.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * A configuration of the machine of `correct`, as a file holds it: `architecture: hypertrio`, `scheme: deferred` or `scheme: {deferred: {batch:
 * 64}}`, `machine: {walkers: 4}`. What is absent takes its default; the machine's fields win over the architecture's.
 */
export interface IoConfiguration {
  readonly architecture?: string;
  readonly scheme?: string | Readonly<Record<string, Fields>>;
  readonly machine?: Fields;
}

export interface IoSetup {
  readonly machine: IoMachine;
  readonly scheme: ProtectionScheme;
  readonly values: ReturnType<typeof resolveScheme>['values'];
}

const members = {
  architecture: { type: 'string', enum: ioArchitectures.names, description: 'caches and pending translations by name' },
  scheme: 'how the driver protects buffers: a name, or one name with its parameters',
  machine: "fields that win over the architecture's",
} as const;

/** @throws StrataError `config.unknown-key`, `config.wrong-type`; names of schemes and architectures are checked where they are used */
export function parseIoConfiguration(given: unknown, where: string): IoConfiguration {
  const fields = objectOf(given, where);
  for (const key of Object.keys(fields))
    if (!Object.hasOwn(members, key))
      throw new StrataError({
        code: 'config.unknown-key',
        what: `unknown key ${key}`,
        where,
        expected: `one of ${Object.keys(members).join(', ')}`,
        ...(Object.hasOwn(ioMachineSpec, key) && { mend: `Did you mean machine.${key}?` }),
      });
  const { architecture, scheme, machine } = fields;
  if (architecture !== undefined && typeof architecture !== 'string')
    throw wrongType(`${where}: architecture`, `a name: ${ioArchitectures.names.join(', ')}`, architecture);
  return {
    ...(architecture === undefined ? {} : { architecture }),
    ...(scheme === undefined ? {} : { scheme: schemeOf(scheme, `${where}: scheme`) }),
    ...(machine === undefined ? {} : { machine: objectOf(machine, `${where}: machine`) }),
  };
}

function schemeOf(given: unknown, where: string): string | Readonly<Record<string, Fields>> {
  if (typeof given === 'string') return given;
  const isMapping = typeof given === 'object' && given !== null && !Array.isArray(given);
  const entries = isMapping ? Object.entries(given) : [];
  if (entries.length !== 1) throw wrongType(where, 'the name of a scheme, or one name with its parameters', given);
  return Object.fromEntries(entries.map(([name, values]) => [name, objectOf(values ?? {}, `${where}.${name}`)]));
}

function objectOf(given: unknown, where: string): Fields {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongType(where, 'a mapping', given);
  return Object.fromEntries(Object.entries(given));
}

function wrongType(where: string, expected: string, found: unknown): StrataError {
  return new StrataError({
    code: 'config.wrong-type',
    what: 'wrong type',
    where,
    expected,
    found: JSON.stringify(found),
  });
}

/** The scheme that a configuration names, with the values given for it. */
export function schemeIn({ scheme }: IoConfiguration): { readonly name: string; readonly values: Fields } | undefined {
  if (scheme === undefined) return undefined;
  if (typeof scheme === 'string') return { name: scheme, values: {} };
  const [name = '', values = {}] = Object.entries(scheme)[0] ?? [];
  return { name, values };
}

/** The machine's fields that a configuration gives, the architecture's below them. @throws StrataError `registry.unknown-name` */
export function machineFieldsIn({ architecture, machine = {} }: IoConfiguration): Fields {
  const below = architecture === undefined ? {} : fieldsOfArchitecture(ioArchitectures.get(architecture));
  return merged(below, machine);
}

/** Fills in defaults and checks every value. @throws StrataError of the registries and of `resolveIoMachine` */
export function resolveIoConfiguration(configuration: IoConfiguration, where = 'machine'): IoSetup {
  const { name, values } = schemeIn(configuration) ?? { name: 'persistent-pools', values: {} };
  return { machine: resolveIoMachine(machineFieldsIn(configuration), where), ...resolveScheme(name, values) };
}

/** JSON Schema (draft 2020-12) of a configuration: what is registered is in it. */
export function ioConfigurationSchema(): Record<string, unknown> {
  const ofSchemes = Object.fromEntries([...protectionSchemes].map(({ name, spec }) => [name, jsonSchemaOf(spec)]));
  return {
    type: 'object',
    additionalProperties: false,
    properties: {
      architecture: members.architecture,
      scheme: {
        description: members.scheme,
        anyOf: [
          { type: 'string', enum: protectionSchemes.names },
          { type: 'object', additionalProperties: false, minProperties: 1, maxProperties: 1, properties: ofSchemes },
        ],
      },
      machine: { ...jsonSchemaOf(ioMachineSpec), description: members.machine },
    },
  };
}
