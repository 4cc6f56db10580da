import { costFields, hostProfiles, techniques } from '@strata/model/elasticity';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import { type Table, tableOf } from '../terminal/table.ts';

export function registerTechniques(parent: Command): void {
  const command = parent
    .command('techniques')
    .description('the techniques, and what their operations cost on each host');
  addExamples(addOutputOptions(command), ['strata elastic techniques', 'strata elastic techniques --json']).action(
    async (options: OutputOptions) => {
      const list: Table = tableOf(
        'techniques',
        [...techniques].map(({ name, summary, source, allocator, dmaSafe, resize, footprintBasis }) => ({
          technique: name,
          allocator,
          dmaSafe: dmaSafe === true,
          resizable: typeof resize !== 'string',
          footprint: footprintBasis,
          summary,
          source,
        })),
      );
      const costs: Table = tableOf(
        'costs',
        Object.entries(costFields).map(([operation, { summary }]) => ({
          operation,
          ...Object.fromEntries(
            [...hostProfiles].map((host) => [host.name, host.costs[operation as keyof typeof host.costs]]),
          ),
          summary,
        })),
      );
      await emit({ document: { techniques: list.rows, costs: costs.rows }, tables: [list, costs] }, options);
    },
  );
}
