import { StrataError, suggestion } from '@strata/model/machine';
import {
  type Application,
  allSetUps,
  applications,
  defaultSimulation,
  eventCostsOf,
  type Profile,
  planSetUp,
  type SetUp,
  simulateLatency,
} from '@strata/model/nesting';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import type { Table } from '../terminal/table.ts';
import { configurationNamed } from './experiment.ts';
import { addRecordingOptions, type RecordingOptions, recordingOf } from './import.ts';
import { addProfileOptions, type ProfileOptions, positiveNumber, profileOf, wholeNumber } from './options.ts';

interface SimulateOptions extends OutputOptions, ProfileOptions, RecordingOptions {
  readonly app?: string;
  readonly level?: string;
  readonly config?: string;
  readonly operations: string;
  readonly seed: string;
  readonly exits?: string;
  readonly ops?: string;
}

/** Kinds that follow from the course of events in the simulation, and are not to be counted twice. */
const simulatedKinds = new Set(['devnotify', 'host-interrupt', 'hlt', 'mwait']);

export function registerSimulate(parent: Command): void {
  const command = parent
    .command('simulate')
    .description(
      "the artifact's seven applications in its eleven set-ups, event by event: rates, latencies, overheads",
    );
  addRecordingOptions(addProfileOptions(command))
    .option('--app <name>', applications.map(({ name }) => name).join(', '))
    .option('--level <n>', 'one set-up only: level 0 to 3')
    .option('--config <name>', 'base, passthrough, dvh-vp, dvh', 'base')
    .option('--operations <n>', 'operations that are measured', String(defaultSimulation.operations))
    .option('--seed <n>', 'seed of the variation of work', String(defaultSimulation.seed))
    .option('--exits <file>', 'exits per operation from a recording of --app in a single-level VM')
    .option('--ops <count>', 'operations done during that recording');
  addExamples(addOutputOptions(command), [
    'strata nest simulate --app netperf-rr --operations 500',
    'strata nest simulate --level 2 --config dvh --operations 200 --json',
  ]).action(async (options: SimulateOptions) => {
    const profile = await profileOf(options);
    const chosen = options.app === undefined ? applications : [applicationNamed(options.app)];
    const recorded = options.exits === undefined ? chosen : await withRecordedExits(chosen, options, profile);
    const setUps =
      options.level === undefined
        ? allSetUps()
        : [planSetUp(wholeNumber(options.level, '--level'), configurationNamed(options.config ?? 'base'))];
    const possible = setUps.filter(({ level }) => level <= (profile.deepest?.level ?? Infinity));
    const parameters = {
      ...defaultSimulation,
      operations: wholeNumber(options.operations, '--operations', 1),
      seed: wholeNumber(options.seed, '--seed'),
    };
    const rows = recorded.flatMap((application) => {
      const native = simulateLatency(application, eventCostsOf(profile, planSetUp(0, 'base'), application), parameters);
      return possible.map((setUp) => rowOf(profile, application, setUp, native.operationsPerSecond, parameters));
    });
    const basis = options.exits === undefined ? 'assumed' : 'recorded';
    const remark = `Exits per operation are ${basis}${basis === 'assumed' ? ': the publication gives none. Directions, not figures; bring a recording with --exits' : ''}; work, network and link times are assumed.`;
    if (!options.json) note(`strata: ${remark}`, options);
    await emit(
      {
        document: { profile: profile.name, seed: parameters.seed, exitsPerOperation: basis, remark, results: rows },
        tables: [tableOf(rows.map((row) => ({ ...row, exits: basis })))],
      },
      options,
    );
  });
}

function applicationNamed(name: string): Application {
  const known = applications.find((application) => application.name === name);
  if (known === undefined)
    throw new StrataError({
      code: 'usage.unknown-app',
      what: `unknown application ${name}`,
      where: '--app',
      mend: suggestion(
        name,
        applications.map((application) => application.name),
      ),
    });
  return known;
}

async function withRecordedExits(
  chosen: readonly Application[],
  options: SimulateOptions,
  profile: Profile,
): Promise<Application[]> {
  if (options.app === undefined || options.ops === undefined || options.exits === undefined)
    throw new StrataError({
      code: 'usage.missing-option',
      what: 'a recording is of one application',
      expected: '--app NAME and --ops COUNT beside --exits',
    });
  const recording = await recordingOf(options.exits, options, Object.keys(profile.kinds));
  const operations = positiveNumber(options.ops, '--ops');
  const exits = Object.fromEntries(
    [...recording.kinds]
      .filter(([kind]) => !simulatedKinds.has(kind))
      .map(([kind, count]) => [kind, count / operations]),
  );
  if (recording.unknownMsrs > 0)
    note(`strata: ${recording.unknownMsrs} MSR exits of unknown purpose are counted as timers.`, options);
  const timers = (exits.timer ?? 0) + recording.unknownMsrs / operations;
  return chosen.map((application) => ({ ...application, exits: { ...exits, timer: timers } }));
}

function rowOf(
  profile: Profile,
  application: Application,
  setUp: SetUp,
  nativeRate: number,
  parameters: typeof defaultSimulation,
) {
  const result = simulateLatency(application, eventCostsOf(profile, setUp, application), parameters);
  return {
    application: application.name,
    setUp: setUp.id,
    configuration: setUp.configuration,
    ...result,
    overhead: nativeRate / result.operationsPerSecond,
  };
}

function tableOf(rows: readonly (ReturnType<typeof rowOf> & { readonly exits: string })[]): Table {
  return {
    name: 'latency',
    columns: [
      { name: 'application', type: 'text' },
      { name: 'setUp', type: 'text', title: 'set-up' },
      { name: 'configuration', type: 'text' },
      { name: 'operationsPerSecond', type: 'real', title: 'ops/s', decimals: 0 },
      { name: 'meanLatencyMicros', type: 'real', title: 'mean (µs)', decimals: 1 },
      { name: 'p99LatencyMicros', type: 'real', title: '99 % (µs)', decimals: 1 },
      { name: 'busy', type: 'real', title: 'vCPU busy' },
      { name: 'kicksPerOp', type: 'real', title: 'kicks/op' },
      { name: 'sleepsPerOp', type: 'real', title: 'sleeps/op' },
      { name: 'overhead', type: 'real', title: 'overhead (native = 1)' },
      { name: 'exits', type: 'text', title: 'exits/op are' },
    ],
    rows,
  };
}
