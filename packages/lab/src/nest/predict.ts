import { StrataError } from '@strata/model/machine';
import {
  type Basis,
  breakEven,
  type CostSource,
  costsOf,
  createExitModel,
  type ExitModel,
  type LevelPrediction,
  latencyOf,
  measuredOr,
  mechanisms,
  type Profile,
  predictLevel,
  profiles,
  reasonNamed,
  type Selection,
  selectMechanisms,
  type Vendor,
  vendors,
  withWake,
} from '@strata/model/nesting';
import type { ExitRecording } from '@strata/traces/nesting';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, note } from '../terminal/output.ts';
import { type Column, renderTable, type Table } from '../terminal/table.ts';
import { addRecordingOptions, type RecordingOptions, recordingOf } from './import.ts';
import { canCallDown, type Operation, type OperationOptions, operationOf } from './operation.ts';
import { addProfileOptions, type ProfileOptions, positiveNumber, profileOf, wholeNumber } from './options.ts';

interface PredictOptions extends RecordingOptions, ProfileOptions, OperationOptions {
  readonly exits: string;
  readonly levels: string;
  readonly budget: string;
  readonly measured?: boolean;
  readonly latencyUs?: string;
}

export function registerPredict(parent: Command): void {
  const command = parent
    .command('predict')
    .description('what a recorded exit profile would cost at L1, L2 and L3, and what to remove first');
  addRecordingOptions(addProfileOptions(command))
    .requiredOption('--exits <file>', 'a recording of a single-level VM, in any format of strata nest import')
    .option('--ops <count>', 'operations done during the recording')
    .option('--rate <ops>', 'operations per second instead')
    .option('--window <seconds>', 'length of the recording, where it does not say')
    .option('--vcpus <n>', 'busy vCPUs, where the recording has no guest time')
    .option('--native-cycles <n>', 'cycles of one operation without exits')
    .option('--cycles <n>', 'cycles of one operation as measured in the VM at level 1')
    .option('--latency-us <n>', 'latency of one operation on bare metal, for latencies as well')
    .option('--msr-split <shares>', 'what MSR writes of unknown purpose are: timer=0.6,ipi=0.3,eoi=0.1')
    .option('--interrupts <count>', 'interrupts delivered to the guest meanwhile (kvm_inj_virq), where it does not say')
    .option('--levels <n>', 'deepest level', '3')
    .option('--budget <slowdown>', 'slowdown that is acceptable, for the break-even rate', '1.5')
    .option('--measured', 'prices from Table 3 of the DVH paper where it has a cell');
  addExamples(addOutputOptions(command), [
    'strata nest predict --exits packages/lab/fixtures/nest/web-server.perf-kvm-stat.txt --ops 120000',
    'strata nest predict --profile dvh-paper --exits packages/lab/fixtures/nest/web-server.perf-kvm-stat.txt --rate 12000 --window 10 --json',
  ]).action(async (options: PredictOptions) => {
    const machine = await profileOf(options);
    const recording = await recordingOf(options.exits, options, Object.keys(machine.kinds));
    const source = (selection: Selection): CostSource => {
      const priced = (model: ExitModel) =>
        options.measured ? measuredOr(costsOf(model), model.selection.prototypeEntry) : costsOf(model);
      const model = createExitModel(machine, selection);
      return withWake(priced(model), priced(createExitModel(machine)), model);
    };
    const operation = operationOf(recording, options, machine, source(selectMechanisms('none')));
    const budget = positiveNumber(options.budget, '--budget');
    if (budget <= 1)
      throw new StrataError({
        code: 'usage.budget',
        what: 'a slowdown budget leaves room for exits',
        where: '--budget',
        expected: 'more than 1',
        found: options.budget,
      });
    const deepest = Math.min(wholeNumber(options.levels, '--levels', 1), machine.deepest?.level ?? Infinity);
    const latency = options.latencyUs === undefined ? undefined : positiveNumber(options.latencyUs, '--latency-us');
    const levels = Array.from({ length: deepest }, (_, index) =>
      predictAt(index + 1, machine, operation, source, budget, latency),
    );
    checkFinite([operation.profile, levels]);
    const assumptions = [
      ...recording.warnings,
      ...nestedWarning(recording),
      ...vendorWarning(recording, machine),
      ...operation.assumptions,
    ];
    for (const sentence of assumptions) note(`strata: ${sentence}`, options);
    await emit(
      {
        document: {
          profile: machine.name,
          source: machine.source,
          operations: operation.operations,
          nativeCyclesPerOp: operation.profile.nativeCycles,
          exitsPerOp: operation.profile.exits,
          interruptsPerOp: Object.values(operation.interrupts.perOp).reduce((sum, count) => sum + count, 0),
          interrupts: operation.interrupts,
          budget,
          levels,
          assumptions,
          notes: machine.notes,
        },
        tables: [levelTable(levels), removalTable(levels)],
        text: textOf(machine, operation, levels, budget),
      },
      options,
    );
  });
}

/** @throws StrataError `nest.overflow`: JSON has no infinity, and a figure of that size says nothing */
function checkFinite(figures: unknown): void {
  if (typeof figures === 'number' && !Number.isFinite(figures))
    throw new StrataError({
      code: 'nest.overflow',
      what: 'the prediction overflows: a figure is no finite number',
      mend: 'Check --ops, --rate, --window, --native-cycles and the counts of the recording.',
    });
  if (typeof figures === 'object' && figures !== null) for (const part of Object.values(figures)) checkFinite(part);
}

/** Exits that only guest hypervisors make. */
const nestedReasons = ['VMRESUME', 'VMLAUNCH', 'VMREAD', 'VMWRITE', 'VMPTRLD', 'vmrun', 'vmload', 'vmsave', 'ERET'];

function nestedWarning({ nested, reasons }: ExitRecording): string[] {
  const found = nestedReasons.filter((reason) => reasons.has(reason));
  if (nested === undefined && found.length === 0) return [];
  const signs = [...(nested === undefined ? [] : [`${nested.exits} kvm_nested_vmexit`]), ...found];
  return [
    `This is an L0 recording of nested guests (${signs.join(', ')}), not of a single-level VM: its exits already contain what nesting adds, and the prediction adds it again. Record the workload in a VM without nesting.`,
  ];
}

const vendorNames: Readonly<Record<Vendor, string>> = { intel: 'Intel', amd: 'AMD', arm: 'Arm' };

/** Most exits bear the names of another architecture than the one that the profile prices. */
function vendorWarning({ reasons }: ExitRecording, { name, vendor }: Profile): string[] {
  const counts: Record<Vendor, number> = { intel: 0, amd: 0, arm: 0 };
  for (const [reason, { count }] of reasons) {
    const known = reasonNamed(reason);
    if (known !== undefined) counts[known.vendor] += count;
  }
  const [recorded] = vendors.toSorted((one, other) => counts[other] - counts[one]);
  if (recorded === undefined || recorded === vendor || counts[recorded] <= counts[vendor]) return [];
  const fitting = [...profiles].flatMap((profile) => (profile.vendor === recorded ? [profile.name] : []));
  return [
    `The recording names exits of ${vendorNames[recorded]}, profile ${name} prices those of ${vendorNames[vendor]}: the kinds are the same, the costs are not. Give --profile ${fitting.join(' or ')}, or calibrate one.`,
  ];
}

/** What keeps exits of a kind away; for those that DVH does not touch, what users do against them. */
const remedies: Readonly<Record<string, string>> = {
  devnotify: 'virtual-passthrough where nested, SR-IOV, or kick suppression and polling in the back end',
  timer: 'virtual timers where nested, or a tickless kernel',
  ipi: 'virtual IPIs where nested, or IPI virtualization',
  interrupt: 'posted interrupts, or interrupt coalescing',
  hlt: 'virtual idle where nested, or polling before HLT',
  mwait: 'virtual idle where nested, or polling before sleep',
  ept: 'huge pages in both levels, memory touched before the run',
  'ept-root': 'huge pages in the host',
  eoi: 'x2APIC with APICv',
  tpr: 'x2APIC with APICv',
  msr: 'find the MSR (perf kvm stat report --event=msr)',
  pio: 'drop emulated devices for virtio',
  'pio-user': 'drop emulated devices for virtio',
  cpuid: 'cache the result in the program',
};

type MechanismFigures = Pick<LevelPrediction, 'cyclesPerOp' | 'slowdown' | 'low' | 'high'> & {
  readonly basis: Basis;
} & LatencyFigures;

/** Where --latency-us is given. */
interface LatencyFigures {
  readonly latencyUs?: number;
  readonly latencyLowUs?: number;
  readonly latencyHighUs?: number;
}

interface LevelDocument extends LatencyFigures {
  readonly level: number;
  readonly cyclesPerOp: number;
  readonly slowdown: number;
  readonly low: number;
  readonly high: number;
  /** The weakest of the costs that it adds up. */
  readonly basis: Basis;
  /** With all interrupts that the recording may have left out. */
  readonly leftOut?: { readonly interruptsPerOp: number; readonly cyclesPerOp: number; readonly slowdown: number };
  readonly breakEven: {
    readonly exitsPerOp: number | null;
    readonly timesRecorded: number | null;
    readonly exitsPerSecond?: number;
  };
  readonly removeFirst: readonly (LevelPrediction['shares'][number] & { readonly remedy: string })[];
  readonly mechanisms: Readonly<Record<string, MechanismFigures>>;
}

function predictAt(
  level: number,
  machine: Profile,
  operation: Operation,
  source: (selection: Selection) => CostSource,
  budget: number,
  latency: number | undefined,
): LevelDocument {
  const plain = source(selectMechanisms('none'));
  const predicted = predictLevel(plain, operation.profile, level);
  const { shares, ...prediction } = predicted;
  const even = breakEven(plain, operation.profile, level, budget);
  const names = level === 1 ? [] : [...mechanisms.names, 'vp,posted', 'dvh'];
  const latencies = (of: LevelPrediction) => {
    if (latency === undefined) return {};
    const { micros, low, high } = latencyOf(of, operation.profile, latency, machine.clockGHz);
    return { latencyUs: micros, latencyLowUs: low, latencyHighUs: high };
  };
  const leftOut = operation.interrupts.leftOutPerOp;
  const withAll = { ...operation.profile, interrupts: { ...operation.interrupts.perOp, device: leftOut } };
  const bound = leftOut === 0 ? undefined : predictLevel(plain, withAll, level);
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    ...prediction,
    basis: weakest(shares),
    ...latencies(predicted),
    ...(bound && { leftOut: { interruptsPerOp: leftOut, cyclesPerOp: bound.cyclesPerOp, slowdown: bound.slowdown } }),
    breakEven: {
      exitsPerOp: finite(even.exitsPerOp),
      timesRecorded: finite(even.timesRecorded),
      ...(operation.opsPerSecond !== undefined &&
        Number.isFinite(even.exitsPerOp) && { exitsPerSecond: even.exitsPerOp * operation.opsPerSecond }),
    },
    removeFirst: shares.slice(0, 3).map((share) => ({ ...share, remedy: remedies[share.kind] ?? '' })),
    mechanisms: Object.fromEntries(
      names.map((name) => {
        const chosen = selectMechanisms(name);
        const selection = canCallDown(machine) ? chosen : { ...chosen, prototypeEntry: false };
        const posted = selection.mechanisms.flatMap(({ posts }) => posts);
        const costs = source(selection);
        const delivery = { posted, costs: plain };
        const variant = predictLevel(costs, operation.profile, level, delivery);
        const { shares: of, level: _, ...figures } = variant;
        return [name, { ...figures, basis: weakest(of), ...latencies(variant) }];
      }),
    ),
  };
}

const fromStrong: readonly Basis[] = ['fitted', 'published', 'derived', 'predicted', 'assumed'];

function weakest(shares: LevelPrediction['shares']): Basis {
  const ranks = shares.filter(({ cyclesPerOp }) => cyclesPerOp > 0).map(({ basis }) => fromStrong.indexOf(basis));
  return fromStrong[Math.max(0, ...ranks)]!;
}

const latencyColumns: readonly Column[] = [
  { name: 'latencyUs', type: 'real', title: 'latency (µs)' },
  { name: 'latencyLowUs', type: 'real', title: 'low (µs)' },
  { name: 'latencyHighUs', type: 'real', title: 'high (µs)' },
];

function levelTable(levels: readonly LevelDocument[]): Table {
  const variants = levels.flatMap((level) => [
    {
      level: level.level,
      mechanisms: 'none',
      cyclesPerOp: level.cyclesPerOp,
      slowdown: level.slowdown,
      low: level.low,
      high: level.high,
      withLeftOut: level.leftOut?.slowdown ?? null,
      basis: level.basis,
      latencyUs: level.latencyUs,
      latencyLowUs: level.latencyLowUs,
      latencyHighUs: level.latencyHighUs,
    },
    ...Object.entries(level.mechanisms).map(([name, figures]) => ({
      level: level.level,
      mechanisms: name,
      ...figures,
    })),
  ]);
  return {
    name: 'prediction',
    columns: [
      { name: 'level', type: 'integer' },
      { name: 'mechanisms', type: 'text' },
      { name: 'cyclesPerOp', type: 'real', title: 'cycles/op', decimals: 0 },
      { name: 'slowdown', type: 'real' },
      { name: 'low', type: 'real' },
      { name: 'high', type: 'real' },
      { name: 'withLeftOut', type: 'real', title: 'with interrupts left out' },
      { name: 'basis', type: 'text' },
      ...(levels.some(({ latencyUs }) => latencyUs !== undefined) ? latencyColumns : []),
    ],
    rows: variants,
  };
}

function removalTable(levels: readonly LevelDocument[]): Table {
  return {
    name: 'remove_first',
    columns: [
      { name: 'level', type: 'integer' },
      { name: 'kind', type: 'text' },
      { name: 'exitsPerOp', type: 'real', title: 'exits/op', decimals: 4 },
      { name: 'cyclesPerExit', type: 'integer', title: 'cycles/exit' },
      { name: 'cyclesPerOp', type: 'real', title: 'cycles/op', decimals: 0 },
      { name: 'basis', type: 'text' },
      { name: 'remedy', type: 'text' },
    ],
    rows: levels.flatMap(({ level, removeFirst }) => removeFirst.map((share) => ({ level, ...share }))),
  };
}

function textOf(machine: Profile, operation: Operation, levels: readonly LevelDocument[], budget: number): string {
  const evens = levels.map(({ level, breakEven: { exitsPerOp, timesRecorded, exitsPerSecond } }) =>
    timesRecorded === null || exitsPerOp === null
      ? `L${level}: no exits`
      : `L${level}: ${exitsPerOp.toPrecision(3)} exits/op (${timesRecorded.toPrecision(3)} times what was recorded${exitsPerSecond === undefined ? '' : `, ${Math.round(exitsPerSecond).toLocaleString('en-US')} exits/s`})`,
  );
  return [
    `Slowdown against native, profile ${machine.name}; ${Math.round(operation.profile.nativeCycles).toLocaleString('en-US')} cycles of work per operation`,
    '',
    renderTable(levelTable(levels)),
    '',
    'What to remove first:',
    renderTable(removalTable(levels)),
    '',
    `Break-even for a slowdown of ${budget}: ${evens.join('; ')}`,
    '',
    ...machine.notes,
  ].join('\n');
}
