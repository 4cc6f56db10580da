import type { Command } from 'commander';

/** The manual page (troff, section 1), from the command table. */
export function manualPage(program: Command, version: string): string {
  const lines = [
    `.TH STRATA 1 "" "strata ${version}" "User Commands"`,
    '.SH NAME',
    'strata \\- a laboratory for virtualization overheads',
    '.SH SYNOPSIS',
    '.B strata',
    '.I noun',
    '.RI [ verb ]',
    '.RI [ options ]',
    '.SH COMMANDS',
  ];
  const visit = (command: Command, path: string) => {
    for (const verb of command.commands) {
      const name = `${path} ${verb.name()}`;
      if (verb.commands.length === 0) lines.push(...entry(verb, name));
      visit(verb, name);
    }
  };
  visit(program, 'strata');
  lines.push(
    '.SH EXIT STATUS',
    ...[
      ['0', 'fine'],
      ['1', 'a claim or check does not hold'],
      ['2', 'bad input or usage'],
      ['3', 'something needed is missing; strata doctor names it'],
      ['130', 'interrupted: what is complete was written and marked so'],
    ].flatMap(([code, meaning]) => ['.TP', `.B ${code}`, meaning!]),
    '.SH ENVIRONMENT',
    '.TP',
    '.B NO_COLOR',
    'no colour, whatever the terminal',
  );
  return `${lines.join('\n')}\n`;
}

function entry(command: Command, name: string): string[] {
  const usage = command.registeredArguments.map((argument) => `<${argument.name()}>`).join(' ');
  return [
    `.SS "${troff(`${name} ${usage}`.trim())}"`,
    troff(command.description()),
    ...command.options
      .filter((option) => !option.hidden)
      .flatMap((option) => [
        '.TP',
        `.B ${troff(option.flags)}`,
        troff(`${option.description}${choicesOf(option.argChoices)}`),
      ]),
  ];
}

function choicesOf(choices: readonly string[] | undefined): string {
  return choices === undefined ? '' : ` (${choices.join(', ')})`;
}

function troff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}
