import type { Command } from 'commander';
import { createFullProgram } from '../command-line.ts';
import { manualPage } from '../documents/manual.ts';
import { addExamples } from '../terminal/help.ts';
import { print } from '../terminal/output.ts';
import { version } from '../version.ts';

export function register(command: Command): void {
  command.action(async () => print(manualPage(await createFullProgram(), version())));
  addExamples(command, ['strata man > strata.1', 'strata man | head -n 20']);
}
