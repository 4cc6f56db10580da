import { interferenceOf, interferenceSource } from '@strata/model/elasticity';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import type { Table } from '../terminal/table.ts';
import { gibOf, numberOf, techniqueOf } from './options.ts';

interface InterferenceOptions extends OutputOptions {
  readonly technique: string;
  readonly vfio?: boolean;
  readonly threads: string;
  readonly from: string;
  readonly to: string;
}

export function registerInterference(parent: Command): void {
  const command = parent
    .command('interference')
    .description('what a busy guest loses while it shrinks and grows: STREAM bandwidth, FTQ work')
    .requiredOption('--technique <name>', 'as for strata elastic resize; static = no resizing')
    .option('--vfio', 'a device is passed through to the VM')
    .option('--threads <n>', 'busy threads, 1 to 12', '12')
    .option('--from <GiB>', 'size of the VM', '20')
    .option('--to <GiB>', 'size it shrinks to', '2');
  addExamples(addOutputOptions(command), [
    'strata elastic interference --technique hyperalloc --threads 12',
    'strata elastic interference --technique virtio-mem --vfio --threads 4 --json',
  ]).action(async (options: InterferenceOptions) => {
    const { technique, vfio } = techniqueOf(options);
    const movedGib = Math.abs(gibOf(options.from, '--from') - gibOf(options.to, '--to'));
    const result = interferenceOf(technique.name, vfio, numberOf(options.threads, '--threads', 1, 12), movedGib);
    const table: Table = {
      name: 'interference',
      columns: [
        { name: 'phase', type: 'text' },
        { name: 'slowSeconds', type: 'real', title: 'slow s' },
        { name: 'relativeBandwidth', type: 'real', title: 'bandwidth' },
      ],
      rows: [
        { phase: 'shrink', ...result.shrink },
        { phase: 'grow', ...result.grow },
      ],
    };
    await emit(
      {
        document: { technique: technique.name, vfio, movedGiB: movedGib, source: interferenceSource, ...result },
        tables: [table],
      },
      options,
    );
  });
}
