import { readFileSync } from 'node:fs';
import { StrataError } from '@strata/model/machine';
import { Command, CommanderError } from 'commander';
import { interruptedExitCode, isInterruption } from './terminal/interrupt.ts';

/** A noun of the command. Its module is loaded only when it is used, so that `strata --help` stays quick. */
interface Noun {
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ register(command: Command): void }>;
}

/** The nouns in the order of `strata --help`. Each is one module in `commands/` whose `register` adds its verbs and options. */
const nouns: readonly Noun[] = [
  {
    name: 'nest',
    summary: 'VM exits at depth: what they cost, what a recording predicts, what to remove',
    load: () => import('./commands/nest.ts'),
  },
];

/** Runs `strata` with these arguments and returns the exit code (UX: 0, 1, 2, 3, 130). Output goes to stdout, all else to stderr. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const debug = args.includes('--debug');
  try {
    const program = await createProgram(args.find((word) => !word.startsWith('-')));
    await program.parseAsync(
      args.filter((word) => word !== '--debug'),
      { from: 'user' },
    );
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error, debug);
  }
}

async function createProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command('strata')
    .description('A laboratory for virtualization overheads.')
    .version(version())
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeErr: (text) => process.stderr.write(text) });
  for (const noun of nouns) {
    const command = program.command(noun.name).description(noun.summary).exitOverride();
    if (noun.name === wanted) (await noun.load()).register(command);
  }
  return program;
}

export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

function report(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isInterruption(error)) return interruptedExitCode;
  if (error instanceof StrataError) {
    process.stderr.write(`strata: ${error.message}\n`);
    if (debug) process.stderr.write(`${error.stack ?? ''}\n`);
    return error.exitCode;
  }
  const failure = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`strata: internal error: ${failure.message}\n`);
  process.stderr.write(
    debug ? `${failure.stack ?? ''}\n` : 'This is a defect of Strata. Run again with --debug for the stack.\n',
  );
  return 70;
}
