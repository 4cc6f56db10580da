import { type CorrectIoResult, type CorrectIoSimulation, createIoSimulation } from '@strata/model/io';
import type { MemoryEvent } from '@strata/model/machine';
import {
  createSimulation,
  demandMachine,
  designs,
  type ResizedCounts,
  resolveTranslationConfig,
  type TranslationResult,
} from '@strata/model/translation';
import { openTrace } from '@strata/traces';
import type { Command } from 'commander';
import { correctSetup } from '../io/run.ts';
import { openTranslations } from '../io/trace.ts';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { renderTable, type Table } from '../terminal/table.ts';
import { accessesPerMicro, createEventFeed, unmapsOf } from './event-feed.ts';
import { readEvents } from './event-file.ts';
import { addEventOptions, countsOf, type EventOptions, recordedEvents } from './events.ts';
import { hostOf, numberOf } from './options.ts';

interface ImpactOptions extends EventOptions, OutputOptions {
  readonly events?: string;
  readonly trace: string;
  readonly ioTrace: string;
  readonly page: string;
  readonly pace: string;
  readonly gbps: string;
}

export function registerImpact(parent: Command): void {
  const command = parent
    .command('impact')
    .description('page walks of a program and DMA of its device while the VM below them is resized');
  addEventOptions(command)
    .option('--events <file>', 'what strata elastic events --csv wrote, instead of running the technique')
    .option('--trace <file>', 'accesses of the program', 'gen:gups,size=64MiB,accesses=1e6')
    .option('--io-trace <file>', 'translations of the device, with --vfio', 'gen:iperf3,tenants=1,packets=20000')
    .option('--gbps <rate>', 'link rate of the device', '40')
    .option('--page <policy>', 'pages of program and VM', 'thp')
    .option('--pace <accesses>', 'accesses of the program in a microsecond', String(accessesPerMicro));
  addExamples(addOutputOptions(command), [
    'strata elastic impact --technique virtio-balloon --vm-mib 256 --mib 8 --trace gen:gups,size=64MiB,accesses=2e5',
    'strata elastic impact --technique hyperalloc --vfio --vm-mib 256 --mib 32 --trace gen:gups,size=64MiB,accesses=1e5 --io-trace gen:iperf3,tenants=1,packets=5000 --json',
  ]).action(async (options: ImpactOptions) => {
    const profile = await hostOf(options);
    const events =
      options.events === undefined ? await recordedEvents(options, profile) : await readEvents(options.events);
    const pace = numberOf(options.pace, '--pace', 0.001, 1e6);
    const { translation, io } = await interruptible(async (signal) => ({
      translation: {
        without: await walk(options, [], pace, signal),
        with: await walk(options, events, pace, signal),
      },
      io: events.some(({ kind }) => kind === 'iommu-unmap')
        ? { without: await dma(options, [], signal), with: await dma(options, events, signal) }
        : undefined,
    }));
    const table = impactTable(translation, io);
    note(
      `strata: ${pace} accesses in a microsecond are assumed unless given (--pace); events after the end of a trace do not meet it.`,
      options,
    );
    await emit(
      {
        document: {
          technique: options.technique,
          events: countsOf(events),
          translation: { without: figuresOf(translation.without), with: figuresOf(translation.with) },
          io: io === undefined ? null : { without: dmaFigures(io.without), with: dmaFigures(io.with) },
        },
        tables: [table],
        text: [
          renderTable(table),
          '',
          io === undefined
            ? 'No event of an IOMMU: DMA is not touched. With --vfio it is.'
            : "The device's invalidations wait in the one queue of the IOMMU; what a trace maps stays mapped.",
        ].join('\n'),
      },
      options,
    );
  });
}

interface Walked {
  readonly result: TranslationResult;
  readonly resized: ResizedCounts;
}

/** The program's accesses in a VM, with each event at its access. */
async function walk(
  options: ImpactOptions,
  events: readonly MemoryEvent[],
  pace: number,
  signal: AbortSignal,
): Promise<Walked> {
  const memoryGiB = Number(options.vmMib) / 1_024;
  const config = resolveTranslationConfig(
    {
      setup: 'virtualized',
      designs: { radix: {} },
      spaces: { process: { page: options.page, memoryGiB }, vm: { page: options.page } },
    },
    designs,
  );
  const machine = demandMachine(config);
  const simulation = createSimulation(
    config,
    (process) => (process === 0 ? machine.spaces : machine.addProcess()),
    designs,
  );
  const { feed, counts } = createEventFeed(events, pace, machine, simulation.feed);
  const reader = await openTrace(options.trace, { signal });
  try {
    for await (const block of reader.blocks()) feed(block);
  } finally {
    await reader.close();
  }
  return { result: simulation.finish(), resized: counts };
}

/** DMA of the VM's device; the VM is the first tenant of the trace. */
async function dma(
  options: ImpactOptions,
  events: readonly MemoryEvent[],
  signal: AbortSignal,
): Promise<CorrectIoResult> {
  const setup = correctSetup({
    trace: options.ioTrace,
    config: 'base',
    queue: 32,
    gbps: numberOf(options.gbps, '--gbps', 0.1, 10_000),
    replacement: 'lru',
    inOrder: false,
    selective: false,
    // The guest has no IOMMU of its own: its memory stays mapped but for what is taken.
    scheme: 'persistent-pools',
  });
  const trace = await openTranslations(options.ioTrace, { signal });
  let simulation: CorrectIoSimulation | undefined;
  for await (const block of trace.blocks()) {
    signal.throwIfAborted();
    simulation ??= createIoSimulation({
      ...setup,
      unmaps: events.length === 0 ? [] : unmapsOf(events, block.did[0]!, 'events'),
    });
    simulation.feed(block);
  }
  return (simulation ?? createIoSimulation(setup)).finish();
}

function figuresOf({ result, resized }: Walked) {
  const { cyclesPerWalk } = result.designs.radix!;
  return {
    accesses: result.trace.references,
    walks: result.walks,
    walksPerThousandAccesses: result.walksPerThousandAccesses,
    referencesPerWalk: result.referencesPerWalk,
    cyclesPerWalk,
    shootdowns: result.tlb.shootdowns,
    ...resized,
  };
}

function dmaFigures(result: CorrectIoResult) {
  const { meanNs, meanLockWaitNs, lockHeldShare } = result.invalidationQueue;
  return {
    mbps: result.mbps,
    packetsDropped: result.packetsDropped,
    invalidations: result.invalidations,
    invalidationMeanNs: meanNs,
    lockWaitMeanNs: meanLockWaitNs,
    lockHeldShare,
    readsPerTranslation: result.readsPerTranslation,
  };
}

interface Pair<T> {
  readonly without: T;
  readonly with: T;
}

function impactTable(translation: Pair<Walked>, io: Pair<CorrectIoResult> | undefined): Table {
  const rowsOf = (part: string, figures: Pair<Readonly<Record<string, number | null>>>) =>
    Object.entries(figures.with).map(([figure, value]) => ({
      part,
      figure,
      without: figures.without[figure],
      with: value,
    }));
  return {
    name: 'impact',
    columns: [
      { name: 'part', type: 'text' },
      { name: 'figure', type: 'text' },
      { name: 'without', type: 'real', title: 'without resizing', decimals: 3 },
      { name: 'with', type: 'real', title: 'while resizing', decimals: 3 },
    ],
    rows: [
      ...rowsOf('translation', { without: figuresOf(translation.without), with: figuresOf(translation.with) }),
      ...(io === undefined ? [] : rowsOf('io', { without: dmaFigures(io.without), with: dmaFigures(io.with) })),
    ],
  };
}
