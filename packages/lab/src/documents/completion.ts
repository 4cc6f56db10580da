import type { Command, Option } from 'commander';
import { suggestedNames } from './suggested-names.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** One line of the table that completion is generated from: the words so far, and what may follow. */
interface Level {
  readonly path: string;
  readonly words: readonly string[];
  /** Choices of options at this level: `--setup` -> native, virtualized, nested. */
  readonly choices: ReadonlyMap<string, readonly string[]>;
}

/** The completion script of a shell, from the command table. */
export function completionScript(program: Command, shell: string): string {
  const levels = levelsOf(program, '');
  switch (shell) {
    case 'fish':
      return fish(program);
    case 'zsh':
      return `#compdef strata\nautoload -U +X bashcompinit && bashcompinit\n${bash(levels)}`;
    default:
      return bash(levels);
  }
}

function levelsOf(command: Command, path: string): Level[] {
  const options = command.options.filter((option) => !option.hidden);
  const level: Level = {
    path,
    words: [
      ...command.commands.map((verb) => verb.name()),
      ...command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
      ...options.flatMap((option) => (option.long ? [option.long] : [])),
      '--help',
    ],
    choices: new Map(
      options.flatMap((option) => {
        const values = valuesOf(option, path);
        return option.long && values ? [[option.long, values]] : [];
      }),
    ),
  };
  return [
    level,
    ...command.commands.flatMap((verb) => levelsOf(verb, path === '' ? verb.name() : `${path} ${verb.name()}`)),
  ];
}

function valuesOf(option: Option, path: string): readonly string[] | undefined {
  return option.argChoices ?? (option.long ? suggestedNames(path, option.long) : undefined);
}

function bash(levels: readonly Level[]): string {
  const words = levels.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  const choices = levels.flatMap(({ path, choices }) =>
    [...choices].map(([option, values]) => `    '${path} ${option}') words='${values.join(' ')}' ;;`),
  );
  const known = levels.map(({ path }) => `'${path}'`).join('|');
  return `# strata: completion. Put it where your shell loads completions from, or source it.
_strata() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' words='' word try before=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    try="\${path:+$path }$word"
    case "$try" in ${known}) path="$try" ;; esac
  done
  case "$path \${previous}" in
${choices.join('\n')}
  esac
  if [ -z "$words" ]; then
  case "$path" in
${words.join('\n')}
  esac
  fi
  case "$current" in *,*) before="\${current%,*}," ;; esac
  COMPREPLY=( $(compgen -P "$before" -W "$words" -- "\${current##*,}") )
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=( $(compgen -f -- "$current") )
}
complete -o filenames -F _strata strata
`;
}

function fish(program: Command): string {
  const lines = ['# strata: completion for fish'];
  const quoted = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  const visit = (command: Command, path: readonly string[]) => {
    const verbs = command.commands.map((verb) => verb.name());
    const condition =
      path.length === 0
        ? '__fish_use_subcommand'
        : `${path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')}${verbs.length > 0 ? `; and not __fish_seen_subcommand_from ${verbs.join(' ')}` : ''}`;
    for (const verb of command.commands)
      lines.push(`complete -c strata -n ${quoted(condition)} -f -a ${verb.name()} -d ${quoted(verb.description())}`);
    for (const option of command.options) {
      if (!option.long || option.hidden) continue;
      const names = valuesOf(option, path.join(' '));
      const only = option.argChoices ? '-x' : '-r';
      const values = names ? ` ${only} -a ${quoted(names.join(' '))}` : option.required ? ' -r' : '';
      lines.push(
        `complete -c strata -n ${quoted(condition)} -l ${option.long.slice(2)}${values} -d ${quoted(option.description)}`,
      );
    }
    for (const verb of command.commands) visit(verb, [...path, verb.name()]);
  };
  visit(program, []);
  return `${lines.join('\n')}\n`;
}
