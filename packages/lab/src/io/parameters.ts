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

/** What `--tables` means, which depends on the dimensions. */
export const tablesHelp = [
  'Recorded page tables (--tables, correct) stand in for those that the machine builds. With one dimension they are the tables of each domain:',
  'a host table (EPT dump) is what VFIO maps a VM by, whose devices use guest-physical addresses; a process table is shared virtual addressing.',
  'The trace must use their addresses, and the scheme be persistent-pools; what they do not map is refused. With --set dimensions=2 they are',
  'the host tables below those that the guest driver fills: guest memory is what they back, with pages of the sizes that they have. Formats:',
  'those of strata translate --tables, one table for every domain; or context entries with second-level tables, each domain with its own.',
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
    tablesHelp,
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
