import {
  fittedInterference,
  fittedInterferenceTo,
  interferenceOf,
  interferenceSource,
  measuredAt,
  measuredGib,
} from '@strata/model/elasticity';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import type { Table } from '../terminal/table.ts';
import { gibOf, hostOf, numberOf, type TechniqueOptions, techniqueOf } from './options.ts';

interface InterferenceOptions extends Omit<TechniqueOptions, 'set'>, OutputOptions {
  readonly threads: string;
  readonly from: string;
  readonly to: string;
}

export function registerInterference(parent: Command): void {
  const command = parent
    .command('interference')
    .description(
      'what a busy guest loses while it shrinks and grows: STREAM bandwidth, FTQ work; by a model, beside the measurement',
    )
    .requiredOption('--technique <name>', 'as for strata elastic resize; static = no resizing')
    .option('--vfio', 'a device is passed through to the VM')
    .option('--profile <name>', 'costs of a host, as for strata elastic resize')
    .option('--profile-file <file>', 'costs of your own host, YAML or JSON, in microseconds')
    .option('--threads <n>', 'busy threads, 1 to 12', '12')
    .option('--from <GiB>', 'size of the VM', '20')
    .option('--to <GiB>', 'size it shrinks to', '2');
  addExamples(addOutputOptions(command), [
    'strata elastic interference --technique hyperalloc --threads 12',
    'strata elastic interference --technique virtio-mem --vfio --threads 4 --json',
  ]).action(async (options: InterferenceOptions) => {
    const { technique, vfio } = techniqueOf(options);
    const profile = await hostOf({ ...options, set: [] });
    const fromGib = gibOf(options.from, '--from');
    const toGib = gibOf(options.to, '--to');
    const threads = numberOf(options.threads, '--threads', 1, 12);
    const movedGib = Math.abs(fromGib - toGib);
    const result = interferenceOf({ technique, vfio, threads, fromGib, toGib, profile });
    // The artifact measured one size on one host.
    const comparable = movedGib === measuredGib && options.profile === undefined && options.profileFile === undefined;
    const measured = comparable ? measuredAt(technique.name, vfio, threads) : undefined;
    const row = (what: string, unit: string, modelled: number, truth: number | null | undefined) => ({
      what,
      unit,
      modelled,
      measured: truth ?? null,
    });
    const table: Table = {
      name: 'interference',
      columns: [
        { name: 'what', type: 'text' },
        { name: 'unit', type: 'text' },
        { name: 'modelled', type: 'real', decimals: 3 },
        { name: 'measured', type: 'real', decimals: 3 },
      ],
      rows: [
        row('shrink: slow', 's', result.shrink.slowSeconds, measured?.shrink.slowSeconds),
        row(
          'shrink: slow bandwidth',
          'of undisturbed',
          result.shrink.slowBandwidth,
          measured?.shrink.relativeBandwidth,
        ),
        row('grow: slow', 's', result.grow.slowSeconds, measured?.grow.slowSeconds),
        row('grow: slow bandwidth', 'of undisturbed', result.grow.slowBandwidth, measured?.grow.relativeBandwidth),
        row(
          'STREAM, first percentile',
          'of undisturbed',
          result.streamFirstPercentile,
          measured?.streamFirstPercentile,
        ),
        row('FTQ, first percentile', 'of undisturbed', result.ftqFirstPercentile, measured?.ftqFirstPercentile),
        row('not moved', 'GB', result.lostGb, undefined),
      ],
    };
    if (measured === undefined)
      note(
        'strata: the artifact measured 1, 4 and 12 threads and 18 GiB on its own host: nothing to compare this with.',
        options,
      );
    await emit(
      {
        document: {
          technique: technique.name,
          vfio,
          movedGiB: movedGib,
          profile: profile.name,
          ...result,
          basis: 'modelled',
          fitted: fittedInterference,
          fittedTo: fittedInterferenceTo,
          measured: measured ?? null,
          source: interferenceSource,
        },
        tables: [table],
      },
      options,
    );
  });
}
