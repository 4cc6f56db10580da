import { type CostName, createElasticVm, type ProtocolMessage } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import { renderTable, type Table } from '../terminal/table.ts';
import { addTechniqueOptions, hostOf, knobsOf, type TechniqueOptions, techniqueOf } from './options.ts';

interface ExplainOptions extends TechniqueOptions, OutputOptions {
  readonly mib: string;
  readonly untouched?: boolean;
}

/** One message of a protocol and what has been done since the one before. */
interface Step {
  readonly phase: string;
  readonly from: string;
  readonly message: string;
  readonly firstFrame: number;
  readonly pages: number;
  readonly operations: string;
  readonly microseconds: number;
  readonly residentMiB: number;
}

/** A guest small enough to follow, and large enough for a tree of each kind to be reserved. */
const guestMib = 256;
/** Half of it lies in the zone that techniques take from first. */
const lowMib = 128;
/** Messages of a kind that are shown one by one in each phase. */
const messagesOfAKind = 3;
/** Long enough for every automatic technique to have done its work once, hinting every 300 s included. */
const settledSeconds = 320;

export function registerExplain(parent: Command): void {
  const command = parent
    .command('explain')
    .description('every message of a technique as a small VM shrinks, grows and uses its memory again');
  addTechniqueOptions(command)
    .option('--mib <n>', `memory that leaves and comes back, of ${guestMib} MiB`, '4')
    .option('--untouched', 'the guest has never written its memory');
  addExamples(addOutputOptions(command), [
    'strata elastic explain --technique hyperalloc --vfio',
    'strata elastic explain --technique virtio-balloon --mib 2 --json',
  ]).action(async (options: ExplainOptions) => {
    const { technique, vfio } = techniqueOf(options);
    const { costs, summary } = await hostOf(options);
    const config = await knobsOf(options);
    const mib = Number(options.mib);
    if (!(Number.isInteger(mib) && mib >= 2 && mib <= lowMib && mib % 2 === 0))
      throw new StrataError({
        code: 'usage.number',
        what: '--mib is not an amount that can be explained',
        expected: `an even number from 2 to ${lowMib}`,
        found: options.mib,
      });
    const steps: Step[] = [];
    let phase = 'boot';
    let before = new Map<CostName, number>();
    const vm = createElasticVm({
      technique,
      totalMib: guestMib,
      bootMib: lowMib,
      lowMib,
      vfio,
      config,
      tell: (message) => note(message),
    });
    const sinceLast = () => {
      const done = [...vm.host.operations]
        .map(([cost, count]) => ({ cost, count: count - (before.get(cost) ?? 0) }))
        .filter(({ count }) => count > 0);
      before = new Map(vm.host.operations);
      return done;
    };
    function note({ from, text, frame, pages }: Omit<ProtocolMessage, 'from'> & { readonly from: string }): void {
      const since = sinceLast();
      steps.push({
        phase,
        from,
        message: text,
        firstFrame: frame,
        pages,
        operations: since.map(({ cost, count }) => `${count} x ${cost}`).join(', '),
        microseconds: since.reduce((sum, { cost, count }) => sum + count * costs[cost], 0),
        residentMiB: vm.residentMib,
      });
    }
    const use = () => {
      const handles: number[] = [];
      for (let handle = vm.allocate(0, 9, true); handle >= 0; handle = vm.allocate(0, 9, true)) handles.push(handle);
      return () => {
        for (const handle of handles.reverse()) vm.free(0, handle);
      };
    };
    if (!options.untouched) use()();
    vm.host.resetCounts();
    before = new Map();
    steps.length = 0;
    const during = (name: string, act: () => void) => {
      phase = name;
      act();
      const [first] = vm.host.operations.keys();
      if (first === undefined) return;
      note({ from: '-', text: 'end', frame: 0, pages: 0 });
      if (steps.at(-1)?.operations === '') steps.pop();
    };
    during('shrink', () => vm.resizeTo(guestMib - mib));
    during('by itself', () => vm.advance(settledSeconds));
    during('grow', () => vm.resizeTo(guestMib));
    during('use', () => use()());
    const shown = shorten(steps);
    await emit(
      {
        document: { technique: technique.name, vfio, movedMiB: mib, guestMiB: guestMib, steps: shown },
        tables: [tableOf(shown)],
        text: [
          `${technique.name}${vfio ? ' with VFIO' : ''}, a VM of ${guestMib} MiB: ${typeof technique.resize === 'string' ? technique.resize : `${mib} MiB leave, come back and are used again`}`,
          '',
          renderTable(tableOf(shown)),
          '',
          `Costs: ${summary}. Frames are 4 KiB; what a step costs is what was done since the step before.`,
        ].join('\n'),
      },
      options,
    );
  });
}

/** The first messages of a kind in each phase, and one row for all the others. */
function shorten(steps: readonly Step[]): Step[] {
  const seen = new Map<string, number>();
  const shown: Step[] = [];
  for (const step of steps) {
    const kind = `${step.phase} ${step.from} ${step.message}`;
    const times = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, times);
    if (times <= messagesOfAKind) shown.push(step);
    const last = shown[shown.length - 1]!;
    if (times <= messagesOfAKind) continue;
    const more = last.phase === step.phase && last.from === '...' ? shown.pop()! : undefined;
    shown.push({
      ...step,
      from: '...',
      message: `${Number(more?.message.split(' ')[0] ?? 0) + 1} more messages like these`,
      pages: (more?.pages ?? 0) + step.pages,
      operations: '',
      microseconds: (more?.microseconds ?? 0) + step.microseconds,
    });
  }
  return shown;
}

function tableOf(steps: readonly Step[]): Table {
  return {
    name: 'steps',
    columns: [
      { name: 'phase', type: 'text' },
      { name: 'from', type: 'text' },
      { name: 'message', type: 'text' },
      { name: 'firstFrame', type: 'integer', title: 'first frame' },
      { name: 'pages', type: 'integer' },
      { name: 'operations', type: 'text' },
      { name: 'microseconds', type: 'real', title: 'us', decimals: 2 },
      { name: 'residentMiB', type: 'real', title: 'resident MiB', decimals: 2 },
    ],
    rows: steps.map((step) => ({ ...step })),
  };
}
