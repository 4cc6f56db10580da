import { StrataError } from '@strata/model/machine';
import { type Granularity, granularities, type Pattern, pagingSeconds, simulatePaging } from '@strata/model/paging';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import { formatBytes, formatCount, formatDuration, parseCount, parseSize } from '../terminal/quantities.ts';
import { renderTable, tableOf } from '../terminal/table.ts';
import { addCostOptions, type CostOptions, costsOf, sourcesOf } from './costs.ts';

interface ModelOptions extends OutputOptions, CostOptions {
  readonly objects: string;
  readonly bytes: string;
  readonly local: string;
  readonly accesses: string;
  readonly pattern: string;
  readonly scattered?: boolean;
  readonly writes?: boolean;
  readonly seed: string;
  readonly granularity: string;
}

export function registerModel(parent: Command): void {
  const command = parent
    .command('model')
    .description('what far memory of one granularity fetches and writes back, with exact LRU')
    .requiredOption('--objects <count>', 'objects, one behind the other')
    .requiredOption('--bytes <size>', 'size of an object')
    .requiredOption('--local <size>', 'local memory')
    .requiredOption('--accesses <count>', 'accesses to objects')
    .option('--pattern <name>', 'uniform, sequential, or zipf:EXPONENT', 'uniform')
    .option('--scattered', 'with zipf: the popular objects lie all over memory, not side by side')
    .option('--writes', 'half of the accesses write')
    .option('--seed <n>', 'seed of the generator, not 0', '12345')
    .option('--granularity <name>', granularities.join(', '), 'object');
  addExamples(addOutputOptions(addCostOptions(command)), [
    'strata far model --objects 65536 --bytes 64 --local 1MiB --accesses 1e6 --pattern uniform --granularity page',
    'strata far model --objects 65536 --bytes 64 --local 1MiB --accesses 1e6 --pattern zipf:0.85 --writes --json',
  ]).action(async (options: ModelOptions) => {
    const granularity = granularityOf(options.granularity);
    const localBytes = parseSize(options.local, '--local');
    const accesses = parseCount(options.accesses, '--accesses');
    const costs = costsOf(options);
    const result = simulatePaging({
      objects: parseCount(options.objects, '--objects'),
      objectBytes: parseSize(options.bytes, '--bytes'),
      localBytes,
      accesses,
      pattern: patternOf(options),
      writes: options.writes ?? false,
      seed: seedOf(options.seed),
      granularity,
    });
    const timeSeconds = pagingSeconds({ granularity, ...result }, accesses, costs);
    const table = tableOf('far_model', [{ granularity, ...result, timeSeconds }]);
    await emit(
      {
        document: { granularity, ...result, timeSeconds, costs, costSources: sourcesOf(costs) },
        tables: [table],
        text: [
          `${granularity} granularity, ${formatBytes(localBytes)} local (modelled, exact LRU): ${formatBytes(result.bytesIn)} in and ${formatBytes(result.bytesOut)} out, ${formatCount(result.fetches)} round trips, ${formatDuration(timeSeconds)} of modelled time`,
          '',
          renderTable(table),
        ].join('\n'),
      },
      options,
    );
  });
}

function granularityOf(text: string): Granularity {
  const found = granularities.find((name) => name === text);
  if (found !== undefined) return found;
  throw new StrataError({
    code: 'usage.granularity',
    what: 'unknown granularity',
    where: '--granularity',
    expected: granularities.join(', '),
    found: text,
  });
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (text.trim() !== '' && Number.isInteger(seed) && seed >= 1 && seed < 2 ** 32) return seed;
  throw new StrataError({
    code: 'usage.number',
    what: 'not a seed',
    where: '--seed',
    expected: 'an integer from 1 to 4294967295',
    found: text,
  });
}

function patternOf({ pattern, scattered = false }: ModelOptions): Pattern {
  const exponent = /^zipf:(.+)$/.exec(pattern)?.[1];
  if (exponent !== undefined && Number.isFinite(Number(exponent)))
    return { kind: 'zipf', exponent: Number(exponent), isScattered: scattered };
  if (scattered)
    throw new StrataError({
      code: 'usage.pattern',
      what: 'nothing to scatter: only Zipf has popular objects',
      where: '--scattered',
      expected: '--pattern zipf:EXPONENT',
      found: `--pattern ${pattern}`,
    });
  if (pattern === 'uniform' || pattern === 'sequential') return { kind: pattern };
  throw new StrataError({
    code: 'usage.pattern',
    what: 'unknown pattern',
    where: '--pattern',
    expected: 'uniform, sequential, or zipf: and an exponent, such as zipf:0.85',
    found: pattern,
  });
}
