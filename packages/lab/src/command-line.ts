import { Command, CommanderError, Option } from 'commander';
import { leaveInterrupts } from './terminal/first-interrupt.ts';
import { interruptedExitCode, isInterruption } from './terminal/interrupt.ts';
import { version } from './version.ts';

/** A noun of the command. Its module is loaded only when it is used, so that `strata --help` stays quick. */
interface Noun {
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ register(command: Command): void }>;
  /** Whether its verbs compute in one go, so that no handler would be called in between: the signal itself ends the process. */
  readonly inOneGo?: boolean;
}

/** The nouns in the order of `strata --help`. Each is one module in `commands/` whose `register` adds its verbs and options. */
const nouns: readonly Noun[] = [
  {
    name: 'reproduce',
    summary: 'reproduce the published systems from the recordings in the repository: claims, figures, report',
    load: () => import('./commands/reproduce.ts'),
  },
  {
    name: 'translate',
    summary: 'CPU address translation: compare page-walk designs, explain one walk',
    load: () => import('./commands/translate.ts'),
  },
  {
    name: 'io',
    summary: 'I/O address translation: build traces of many tenants, run, sweep, explain',
    load: () => import('./commands/io.ts'),
  },
  {
    name: 'trace',
    summary: 'traces: inspect, check, convert, generate',
    load: () => import('./commands/trace.ts'),
  },
  {
    name: 'nest',
    summary: 'VM exits at depth: what they cost, what a recording predicts, what to remove',
    load: () => import('./commands/nest.ts'),
    inOneGo: true,
  },
  {
    name: 'elastic',
    summary: 'VMs that shrink and grow: page-frame allocators, techniques, footprints',
    load: () => import('./commands/elastic.ts'),
    inOneGo: true,
  },
  {
    name: 'far',
    summary: 'far memory: agents that hold objects for other processes; objects against pages, modelled',
    load: () => import('./commands/far.ts'),
  },
  {
    name: 'sweep',
    summary: 'simulate many points: inputs and configuration axes, on all cores',
    load: () => import('./commands/sweep.ts'),
  },
  {
    name: 'claims',
    summary: 'list the published statements and whether they hold here',
    load: () => import('./commands/claims.ts'),
  },
  { name: 'run', summary: 'repeat a run from its manifest', load: () => import('./commands/run.ts') },
  {
    name: 'verify',
    summary: 'check a run folder: hash its files and inputs, run it again, compare',
    load: () => import('./commands/verify.ts'),
  },
  { name: 'query', summary: 'SQL over the tables of all run folders', load: () => import('./commands/query.ts') },
  {
    name: 'figure',
    summary: 'draw the figures of a run, or a specification',
    load: () => import('./commands/figure.ts'),
  },
  {
    name: 'config',
    summary: 'show configurations resolved, and their schemas',
    load: () => import('./commands/config.ts'),
  },
  {
    name: 'doctor',
    summary: 'what is present, what it enables, how to get the rest',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'completion',
    summary: 'shell completion for bash, zsh or fish',
    load: () => import('./commands/completion.ts'),
  },
  { name: 'man', summary: 'the manual page', load: () => import('./commands/man.ts') },
];

/** Runs `strata` with these arguments and returns the exit code (UX: 0, 1, 2, 3, 130). Output goes to stdout, all else to stderr. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const debug = args.includes('--debug');
  const words = args.filter((word) => word !== '--debug');
  try {
    const named = words.filter((word) => !word.startsWith('-'));
    const program = await createProgram(named[0] === 'help' ? named[1] : named[0]);
    await program.parseAsync(words, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return await report(error, debug);
  }
}

/** The whole command table, every noun loaded: for completion, the manual page and tests. */
export async function createFullProgram(): Promise<Command> {
  return createProgram(undefined, true);
}

async function createProgram(wanted: string | undefined, all = false): Promise<Command> {
  const program = new Command('strata')
    .description('A laboratory for virtualization overheads.')
    .version(version())
    // After a noun, --version belongs to the verb: `strata elastic llfree replay --version ae`.
    .enablePositionalOptions()
    .addOption(new Option('--debug', 'show the stack of an internal error'))
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeErr: (text) => process.stderr.write(text) })
    .addHelpText('after', '\nExamples:\n  strata doctor\n  strata translate designs\n');
  for (const noun of nouns) {
    const command = program.command(noun.name).description(noun.summary);
    if (noun.inOneGo) command.hook('preAction', () => void leaveInterrupts());
    if (all || noun.name === wanted) (await noun.load()).register(command);
  }
  return program;
}

async function report(error: unknown, debug: boolean): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isInterruption(error)) return interruptedExitCode;
  // Whoever threw one has loaded the module; `--help` has not, which is a third of its time.
  const { StrataError } = await import('@strata/model/machine');
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
