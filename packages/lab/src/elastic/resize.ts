import { type Operation, type ResizeResult, resizeVm, translationEventsOf } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import { renderTable, type Table } from '../terminal/table.ts';
import { addTechniqueOptions, gibOf, hostOf, type TechniqueOptions, techniqueOf } from './options.ts';

interface ResizeOptions extends TechniqueOptions, OutputOptions {
  readonly from: string;
  readonly to: string;
  readonly touched?: boolean;
  readonly untouched?: boolean;
  readonly first?: boolean;
  readonly touchGib?: string;
}

export function registerResize(parent: Command): void {
  const command = parent
    .command('resize')
    .description('how long a VM takes to shrink, to grow back, and to touch its memory');
  addTechniqueOptions(command)
    .requiredOption('--from <GiB>', 'size of the VM')
    .requiredOption('--to <GiB>', 'size it shrinks to')
    .option('--touched', 'the guest had written the memory that leaves (default)')
    .option('--untouched', 'it had not')
    .option('--first', 'the first resize since boot')
    .option('--touch-gib <GiB>', 'memory written after growing; default: all but 1 GiB');
  addExamples(addOutputOptions(command), [
    'strata elastic resize --technique hyperalloc --from 20 --to 2',
    'strata elastic resize --technique virtio-mem --vfio --untouched --from 20 --to 2 --json',
  ]).action(async (options: ResizeOptions) => {
    if (options.touched && options.untouched)
      throw new StrataError({ code: 'usage.conflict', what: '--touched and --untouched exclude each other' });
    const { technique, vfio } = techniqueOf(options);
    const profile = await hostOf(options);
    const result = resizeVm({
      technique,
      vfio,
      profile,
      fromGib: gibOf(options.from, '--from'),
      toGib: gibOf(options.to, '--to'),
      touched: !options.untouched,
      first: options.first ?? false,
      ...(options.touchGib !== undefined && { touchGib: gibOf(options.touchGib, '--touch-gib', 0.001) }),
    });
    const { plan, movedGib, shrinkGibPerSecond, returnInstallGibPerSecond, ...figures } = result;
    const everything = [...plan.shrink, ...plan.grow, ...(options.untouched ? [] : plan.touch)];
    await emit(
      {
        document: {
          technique: technique.name,
          vfio,
          touched: !options.untouched,
          profile: profile.name,
          source: profile.source,
          movedGiB: movedGib,
          ...figures,
          gibPerSecond: shrinkGibPerSecond,
          returnInstallGibPerSecond: returnInstallGibPerSecond ?? null,
          translation: translationEventsOf(everything),
          plan: stepsOf(result, profile.costs),
        },
        tables: [planTable(result, profile.costs)],
        text: [
          `${technique.name}${vfio ? ' with VFIO' : ''}: ${result.movedGib} GiB ${options.untouched ? 'untouched' : 'touched'} memory`,
          `shrink ${shown(result.shrinkMs)} (${rate(shrinkGibPerSecond)}), grow ${shown(result.growMs)} (${rate(result.growGibPerSecond)})${options.untouched ? '' : `, touch again ${shown(result.touchMs)}`}`,
          '',
          renderTable(planTable(result, profile.costs)),
          '',
          `Costs: ${profile.summary}. Modelled; within 3.5 % of the recorded means for 18 GiB.`,
        ].join('\n'),
      },
      options,
    );
  });
}

function shown(milliseconds: number): string {
  return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(2)} s` : `${milliseconds.toFixed(2)} ms`;
}

function rate(gibPerSecond: number): string {
  return `${gibPerSecond.toLocaleString('en-US', { maximumSignificantDigits: 4 })} GiB/s`;
}

function stepsOf({ plan, touchMs }: ResizeResult, costs: Readonly<Record<string, number>>) {
  const rows = (phase: string, operations: readonly Operation[]) =>
    operations
      .filter(({ count }) => count > 0)
      .map(({ cost, count }) => ({
        phase,
        operation: cost,
        count,
        microseconds: costs[cost]!,
        milliseconds: (count * costs[cost]!) / 1000,
      }));
  return [
    ...rows('shrink', plan.shrink),
    ...rows('grow', plan.grow),
    ...(touchMs > 0 ? rows('touch', plan.touch) : []),
  ];
}

function planTable(result: ResizeResult, costs: Readonly<Record<string, number>>): Table {
  return {
    name: 'resize',
    columns: [
      { name: 'phase', type: 'text' },
      { name: 'operation', type: 'text' },
      { name: 'count', type: 'integer' },
      { name: 'microseconds', type: 'real', title: 'us each', decimals: 3 },
      { name: 'milliseconds', type: 'real', title: 'ms', decimals: 2 },
    ],
    rows: stepsOf(result, costs),
  };
}
