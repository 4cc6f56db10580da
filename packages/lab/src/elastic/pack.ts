import { footprintOf, packVms } from '@strata/model/elasticity';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { renderTable, type Table } from '../terminal/table.ts';
import {
  addDemandOptions,
  addTechniqueOptions,
  type DemandOptions,
  demandsOf,
  gibOf,
  hostOf,
  knobsOf,
  numberOf,
  type TechniqueOptions,
  techniqueOf,
} from './options.ts';

interface PackOptions extends TechniqueOptions, DemandOptions, OutputOptions {
  readonly demand: readonly string[];
  readonly hostGib: string;
  readonly reserveGib: string;
  readonly percentile: string;
  readonly draws: string;
  readonly jitter: string;
  readonly cycleMinutes?: string;
  readonly seed: string;
}

export function registerPack(parent: Command): void {
  const command = parent.command('pack').description('how many VMs fit on a host, given traces of a fleet');
  addDemandOptions(addTechniqueOptions(command))
    .requiredOption('--demand <files...>', 'traces of the fleet; a VM replays one of them over and over')
    .requiredOption('--host-gib <n>', 'memory of the host')
    .option('--reserve-gib <n>', 'memory that VMs may not have', '0')
    .option('--percentile <p>', 'share of draws whose peak must fit, in percent', '95')
    .option('--draws <n>', 'draws of traces and phases', '60')
    .option(
      '--jitter <share>',
      'how far phases are off an even spread, as a share of the distance; 1 = anywhere',
      '0.25',
    )
    .option('--cycle-minutes <n>', 'length of a cycle; the last value of a trace holds to its end')
    .option('--seed <n>', 'seed', '42');
  addExamples(addOutputOptions(command), [
    'strata elastic pack --demand gen:compile --host-gib 48 --technique hyperalloc',
    'strata elastic pack --demand gen:compile,seed=1 gen:blender gen:cache --host-gib 128 --technique fpr --json',
  ]).action(async (options: PackOptions) => {
    const { technique, vfio } = techniqueOf(options);
    const profile = await hostOf(options);
    const config = await knobsOf(options);
    const hostGib = gibOf(options.hostGib, '--host-gib', 0.001);
    const settings = {
      hostGib,
      reservedGib: gibOf(options.reserveGib, '--reserve-gib'),
      percentile: numberOf(options.percentile, '--percentile', 1, 100) / 100,
      draws: Math.round(numberOf(options.draws, '--draws', 1, 100_000)),
      jitter: numberOf(options.jitter, '--jitter', 0, 1),
      seed: Math.round(numberOf(options.seed, '--seed', 0)),
      ...(options.cycleMinutes !== undefined && {
        cycleSeconds: 60 * numberOf(options.cycleMinutes, '--cycle-minutes', 0.1),
      }),
    };
    const inputs = await interruptible((signal) =>
      Promise.all(options.demand.map((path) => demandsOf(path, options, signal))),
    );
    const demands = inputs.flatMap((input) => input.demands);
    const footprints = demands.map((demand) => footprintOf({ demand, technique, vfio, profile, config }));
    const packed = packVms({ footprints: footprints.map(({ resident }) => resident), ...settings });
    const notes = [
      ...new Set([...inputs.flatMap(({ warnings }) => warnings), ...footprints.flatMap((each) => each.notes)]),
    ];
    for (const sentence of notes) note(`strata: ${sentence}`, options);
    const steps: Table = {
      name: 'pack',
      columns: [
        { name: 'vms', type: 'integer', title: 'VMs' },
        { name: 'peakGiB', type: 'real', title: `peak GiB (p${options.percentile})` },
        { name: 'marginGiB', type: 'real', title: 'margin GiB' },
        { name: 'fits', type: 'flag' },
      ],
      rows: packed.steps.map(({ vms, peakGib, fits }) => ({
        vms,
        peakGiB: peakGib,
        marginGiB: hostGib - settings.reservedGib - peakGib,
        fits,
      })),
    };
    await emit(
      {
        document: {
          technique: technique.name,
          vfio,
          hostGiB: hostGib,
          vms: packed.vms,
          peakGiB: packed.peakGib,
          marginGiB: packed.marginGib,
          percentile: settings.percentile,
          draws: settings.draws,
          seed: settings.seed,
          fleet: demands.map(({ name }) => name),
          steps: steps.rows,
          notes,
        },
        tables: [steps],
        text: [
          `${packed.vms} VMs fit in ${hostGib} GiB with ${technique.name}: peak ${packed.peakGib.toFixed(2)} GiB, ${packed.marginGib.toFixed(2)} GiB to spare`,
          '',
          renderTable(steps),
        ].join('\n'),
      },
      options,
    );
  });
}
