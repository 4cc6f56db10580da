import {
  arrivalSpec,
  ioArchitectures,
  ioGeneratorSpec,
  ioMachineSpec,
  ioWorkloads,
  protectionSchemes,
  queueWorkloads,
} from '@strata/model/io';
import { flatten, type Spec } from '@strata/model/machine';

const widest = 100;

/** Why there is no `--tables` here. */
export const noDumps = [
  'Dumps of page tables (--tables of strata translate) are not read here: they are indexed by the virtual addresses of a process or a VM,',
  'devices use those of their domain. Logs and traces have the entry and level of each page used, and tables are built around those; where a',
  'table lies in memory changes nothing, as every read takes memoryNs.',
].join('\n');

/** What `--set` takes, for `--help`: the machine's parameters and each scheme's, with defaults, units and what they mean. */
export function parameterHelp(): string {
  const schemes = [...protectionSchemes].map(({ name, summary, spec }) =>
    [`  ${name}: ${summary}`, ...rows(spec, 'scheme.').map((row) => `  ${row}`)].join('\n'),
  );
  const architectures = [...ioArchitectures].map(({ name, summary }) => `  ${name}: ${summary}`);
  return [
    '',
    'Parameters of the machine (--set, correct):',
    ...rows(ioMachineSpec, ''),
    '',
    'Schemes (--scheme) and their parameters (--set scheme.NAME=VALUE):',
    ...schemes,
    '',
    'Architectures (--designs of strata io sweep); each sets caches and pending translations of the machine:',
    ...architectures,
    '',
    'Recorded patterns (--trace gen:NAME,key=value,...):',
    ...[...ioWorkloads].map(({ name, summary }) => `  ${name}: ${summary}`),
    ...rows(ioGeneratorSpec, '').map((row) => `  ${row}`),
    '',
    'Packets for queues, whose buffers the driver maps (--trace gen:NAME,key=value,..., correct):',
    ...rows(arrivalSpec, '').map((row) => `  ${row}`),
    ...[...queueWorkloads].map(({ name, summary, spec }) =>
      [`  ${name}: ${summary}`, ...rows(spec, '').map((row) => `  ${row}`)].join('\n'),
    ),
    '',
    noDumps,
    '',
  ].join('\n');
}

function rows(spec: Spec, prefix: string): string[] {
  return flatten(spec).map(({ path, field }) => {
    const unit = field.unit === undefined ? '' : ` ${field.unit}`;
    const values = field.kind === 'choice' ? `, one of ${field.choices.join(', ')}` : '';
    const head = `  ${prefix}${path}=${String(field.default)}${unit}${values}: `;
    const text = `${head}${field.summary}`;
    return text.length <= widest ? text : `${head.trimEnd()}\n      ${field.summary}`;
  });
}
