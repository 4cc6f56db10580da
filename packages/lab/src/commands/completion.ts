import { Argument, type Command } from 'commander';
import { createFullProgram } from '../command-line.ts';
import { completionScript, shells } from '../documents/completion.ts';
import { addExamples } from '../terminal/help.ts';
import { print } from '../terminal/output.ts';

export function register(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'for which shell').choices(shells))
    .action(async (shell: string) => print(completionScript(await createFullProgram(), shell)));
  addExamples(command, ['strata completion bash > strata.bash && . ./strata.bash', 'strata completion fish']);
}
