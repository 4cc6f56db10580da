import { ioArchitectures, ioMachineSpec, protectionSchemes } from '@strata/model/io';
import { flatten, type Spec } from '@strata/model/machine';

const widest = 100;

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
