import type { Command } from 'commander';

/** Adds runnable examples at the end of a command's help. A test runs every one of them, in the order given. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}\n`);
}
