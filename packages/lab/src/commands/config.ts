import { ioConfigurationSchema } from '@strata/model/io';
import { jsonSchemaOf, machineSpec, machines } from '@strata/model/machine';
import { designs, studyFields } from '@strata/model/translation';
import { Argument, type Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { emit, note, print } from '../terminal/output.ts';
import { tableOf } from '../terminal/table.ts';
import { inputFields } from '../translate/configuration.ts';
import { addTranslateOptions, configurationOf, type TranslateOptions } from '../translate/options.ts';
import { translate } from '../translate/study.ts';

/** A resolved configuration has a trace; this one stands in where only the rest is asked for. */
const traceShownWithout = 'gen:gups';

export function register(command: Command): void {
  const show = addTranslateOptions(command.command('show').description('the configuration that options and files make'))
    .option('--resolved', 'with every default filled in')
    .option('--json', 'print JSON instead of YAML')
    .action(async (options: TranslateOptions & { resolved?: boolean; json?: boolean }) => {
      const given = await configurationOf(options);
      const configuration = options.resolved ? translate.resolve({ trace: traceShownWithout, ...given }) : given;
      if (options.resolved && options.trace === undefined && !Object.hasOwn(given, 'trace'))
        note(`strata: no trace given; shown for ${traceShownWithout}`);
      if (options.json) return print(`${JSON.stringify(configuration, null, 2)}\n`);
      const { stringify } = await import('yaml');
      print(stringify(configuration));
    });
  addExamples(show, [
    'strata config show --trace gen:gups --set machine.l2.ways=8',
    'strata config show --trace gen:gups --setup nested --resolved --json',
  ]);

  const schema = command
    .command('schema')
    .description('JSON Schema, for editors')
    .addArgument(new Argument('[of]', 'of what').choices(['translate', 'machine', 'io']).default('translate'))
    .option('--json', 'print one JSON document (a schema is one in any case)')
    .action((of: SchemaName) => print(`${JSON.stringify(schemas[of](), null, 2)}\n`));
  addExamples(schema, [
    'strata config schema > translate.schema.json',
    'strata config schema machine',
    'strata config schema io > io.schema.json',
  ]);

  const presets = command
    .command('presets')
    .description('the machines by name')
    .option('--json', 'print one JSON document')
    .action(async (options: { json?: boolean }) => {
      const rows = [...machines].map(({ name, summary, source }) => ({ name, summary, source }));
      await emit({ document: { presets: rows }, tables: [tableOf('presets', rows)] }, options);
    });
  addExamples(presets, ['strata config presets', 'strata config presets --json']);
}

const schemas = { translate: translateSchema, machine: machineSchema, io: ioSchema } as const;
type SchemaName = keyof typeof schemas;

function ioSchema(): Record<string, unknown> {
  const schema = ioConfigurationSchema();
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Strata I/O translation (strata io run --config FILE.yaml)',
    ...schema,
    properties: {
      extends: { type: ['string', 'array'], items: { type: 'string' }, description: 'files that this one builds on' },
      ...(schema.properties as object),
    },
  };
}

function machineSchema(): Record<string, unknown> {
  const schema = jsonSchemaOf(machineSpec);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Strata machine',
    ...schema,
    properties: { extends: { type: 'string', enum: machines.names }, ...(schema.properties as object) },
  };
}

function translateSchema(): Record<string, unknown> {
  const fields = jsonSchemaOf({ ...inputFields, ...studyFields });
  const designProperties = Object.fromEntries([...designs].map(({ name, spec }) => [name, jsonSchemaOf(spec)]));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Strata translation study',
    ...fields,
    properties: {
      extends: { type: ['string', 'array'], items: { type: 'string' }, description: 'files that this one builds on' },
      ...(fields.properties as object),
      cores: { type: 'integer', minimum: 1, description: 'short for machine.cores' },
      prefetcher: { type: 'string', enum: ['none', 'nextline'], description: 'short for machine.prefetcher' },
      machine: { anyOf: [{ type: 'string', enum: machines.names }, machineSchema()] },
      designs: {
        anyOf: [
          { type: 'array', items: { type: 'string', enum: designs.names } },
          { type: 'object', additionalProperties: false, properties: designProperties },
        ],
      },
      compat: { type: 'object', description: 'constants of the original simulators (mode compat)' },
    },
  };
}
