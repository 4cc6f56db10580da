import { type HostProfile, memoryEventsOf } from '@strata/model/elasticity';
import { type MemoryEvent, memoryEventKinds, StrataError } from '@strata/model/machine';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import type { Table } from '../terminal/table.ts';
import { eventColumns } from './event-file.ts';
import { addTechniqueOptions, hostOf, knobsOf, type TechniqueOptions, techniqueOf } from './options.ts';

export interface EventOptions extends TechniqueOptions {
  readonly vmMib: string;
  readonly mib: string;
  readonly untouched?: boolean;
  readonly automatic?: boolean;
}

export function addEventOptions(command: Command): Command {
  return addTechniqueOptions(command)
    .option('--vm-mib <n>', 'size of the VM, in MiB', '1024')
    .option('--mib <n>', 'memory that leaves and comes back, in MiB; reporting and hinting take what is free', '64')
    .option('--automatic', 'HyperAlloc also takes what is free by itself')
    .option('--untouched', 'the guest has never written its memory');
}

export function registerEvents(parent: Command): void {
  const command = parent
    .command('events')
    .description(
      'what resizing does to translation, mapping by mapping, as a file for strata elastic impact, translate run and io run',
    );
  addExamples(addOutputOptions(addEventOptions(command)), [
    'strata elastic events --technique hyperalloc --vfio --mib 8 --csv > events.csv',
    'strata translate run --trace gen:gups,size=64MiB,accesses=2e5 --setup virtualized --memory-events events.csv',
    'strata io run --trace gen:iperf3,tenants=1,packets=5000 --queue 32 --memory-events events.csv',
  ]).action(async (options: EventOptions & OutputOptions) => {
    const { technique, vfio } = techniqueOf(options);
    const profile = await hostOf(options);
    const events = await recordedEvents(options, profile);
    const counts = countsOf(events);
    await emit(
      {
        document: { technique: technique.name, vfio, profile: profile.name, counts, events },
        tables: [eventTable(events)],
        text: [
          `${technique.name}${vfio ? ' with VFIO' : ''}: ${events.length.toLocaleString('en-US')} events in ${((events.at(-1)?.micros ?? 0) / 1_000).toFixed(2)} ms of the host's work`,
          ...memoryEventKinds.map((kind) => `${kind.padEnd(12)} ${counts[kind].toLocaleString('en-US')}`),
          'Each with its time and frames: --csv or --json.',
        ].join('\n'),
      },
      options,
    );
  });
}

/** Runs the technique on a VM whose every page is kept. @throws StrataError `elastic.*`, `usage.number` */
export async function recordedEvents(options: EventOptions, profile: HostProfile): Promise<readonly MemoryEvent[]> {
  const { technique, vfio } = techniqueOf(options);
  const totalMib = evenMib(options.vmMib, '--vm-mib', 64, 65_536);
  return memoryEventsOf({
    technique,
    vfio,
    profile,
    config: await knobsOf(options),
    totalMib,
    mib: evenMib(options.mib, '--mib', 2, totalMib / 2),
    touched: !options.untouched,
    automatic: options.automatic ?? false,
  });
}

function evenMib(text: string, option: string, least: number, most: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isInteger(value) && value % 2 === 0 && value >= least && value <= most) return value;
  throw new StrataError({
    code: 'usage.number',
    what: 'not an amount of memory it can be',
    where: option,
    expected: `an even number of MiB from ${least} to ${most}`,
    found: text === '' ? 'nothing' : text,
  });
}

export function countsOf(events: readonly MemoryEvent[]): Readonly<Record<MemoryEvent['kind'], number>> {
  const counts = { 'ept-unmap': 0, 'ept-map': 0, 'iommu-unmap': 0, 'iommu-map': 0 };
  for (const { kind } of events) counts[kind]++;
  return counts;
}

function eventTable(events: readonly MemoryEvent[]): Table {
  return {
    name: 'memory_events',
    columns: eventColumns.map((name) => ({
      name,
      type: name === 'kind' ? 'text' : name === 'micros' ? 'real' : 'integer',
    })),
    rows: events.map((event) => ({ ...event })),
  };
}
