import { describe, expect, it } from 'vitest';
import { flatten, jsonSchemaOf } from '../machine/fields.ts';
import { ioConfigurationSchema, parseIoConfiguration, resolveIoConfiguration } from './configuration.ts';
import { ioMachineSpec, resolveIoMachine } from './correct/config.ts';

describe('a configuration of the machine', () => {
  it('has a schema with every parameter of the machine, its default, unit and source', () => {
    const { properties } = ioConfigurationSchema() as {
      properties: { machine: { properties: Record<string, object> } };
    };
    expect(properties.machine.properties).toEqual(jsonSchemaOf(ioMachineSpec).properties);
    const described = JSON.stringify(properties.machine);
    for (const { field } of flatten(ioMachineSpec))
      expect(described).toContain(JSON.stringify(field.summary).slice(1, -1));
  });

  it('is the default machine with pools when it says nothing', () => {
    const { machine, scheme } = resolveIoConfiguration(parseIoConfiguration({}, 'empty.yaml'));
    expect(machine).toEqual(resolveIoMachine({}));
    expect(scheme.name).toBe('persistent-pools');
  });

  it.each([
    [{ walkers: 3 }, { code: 'config.unknown-key', where: 'x', mend: 'Did you mean machine.walkers?' }],
    [[], { code: 'config.wrong-type', where: 'x' }],
    [{ machine: 4 }, { code: 'config.wrong-type', where: 'x: machine' }],
    [{ architecture: {} }, { code: 'config.wrong-type', where: 'x: architecture' }],
    [{ scheme: ['strict'] }, { code: 'config.wrong-type', where: 'x: scheme' }],
    [{ scheme: { strict: {}, deferred: {} } }, { code: 'config.wrong-type', where: 'x: scheme' }],
    [{ scheme: { deferred: { batch: 0 } } }, { code: 'config.out-of-range', where: 'scheme.deferred.batch' }],
    [{ scheme: 'strikt' }, { code: 'registry.unknown-name', mend: expect.stringContaining('strict') }],
    [{ architecture: 'hypertryo' }, { code: 'registry.unknown-name', mend: expect.stringContaining('hypertrio') }],
  ])('%j is refused with its place', (given, error) => {
    expect(() => resolveIoConfiguration(parseIoConfiguration(given, 'x'))).toThrow(expect.objectContaining(error));
  });
});
