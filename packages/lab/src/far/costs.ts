import { StrataError } from '@strata/model/machine';
import { defaultPagingCosts, type PagingCosts, pagingCostSources } from '@strata/model/paging';
import type { Command } from 'commander';

export interface CostOptions {
  readonly rtt?: string;
  readonly bandwidth?: string;
  readonly inFlight?: string;
  readonly cost?: string;
}

const names: readonly (keyof PagingCosts)[] = [
  ...['hitNs' as const, 'objectMissNs' as const, 'pageFaultNs' as const, 'reclaimNs' as const],
  ...['synchronousReclaimShare' as const, 'roundTripNs' as const, 'bytesPerSecond' as const, 'inFlight' as const],
];

export function addCostOptions(command: Command): Command {
  return command
    .option('--rtt <us>', 'round trip to the far side, us (30)')
    .option('--bandwidth <bytes>', 'bytes per second of the link (1.2e9)')
    .option('--in-flight <count>', 'object fetches on the way at a time (1)')
    .option('--cost <settings>', `any constant of the time model, such as pageFaultNs=2400; ${names.join(', ')}`);
}

/** @throws StrataError `usage.number`, `usage.cost` */
export function costsOf({ rtt, bandwidth, inFlight, cost }: CostOptions): PagingCosts {
  return {
    ...defaultPagingCosts,
    ...(rtt !== undefined && { roundTripNs: 1000 * positive(rtt, '--rtt') }),
    ...(bandwidth !== undefined && { bytesPerSecond: positive(bandwidth, '--bandwidth') }),
    ...(inFlight !== undefined && { inFlight: Math.max(1, positive(inFlight, '--in-flight')) }),
    ...Object.fromEntries((cost?.split(',') ?? []).map(settingOf)),
  };
}

/** Constants with what they are: what the user gave has no other source. */
export function sourcesOf(costs: PagingCosts): Readonly<Record<keyof PagingCosts, string>> {
  const sources = { ...pagingCostSources };
  for (const name of names) if (costs[name] !== defaultPagingCosts[name]) sources[name] = 'given';
  return sources;
}

function settingOf(text: string): readonly [keyof PagingCosts, number] {
  const [key, value = ''] = text.split('=').map((part) => part.trim());
  const name = names.find((known) => known === key);
  if (name === undefined)
    throw new StrataError({
      code: 'usage.cost',
      what: 'no constant of the time model',
      where: '--cost',
      expected: `NAME=NUMBER with a name of ${names.join(', ')}`,
      found: text,
    });
  const where = `--cost ${name}`;
  if (name === 'bytesPerSecond') return [name, positive(value, where)];
  const range = { inFlight: [1, Infinity], synchronousReclaimShare: [0, 1] } as const;
  const [least, most] = name === 'inFlight' || name === 'synchronousReclaimShare' ? range[name] : [0, Infinity];
  return [name, inRange(value, least, most, where)];
}

function positive(text: string, where: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value < Infinity) return value;
  throw notANumber('a number above 0, such as 30', text, where);
}

function inRange(text: string, least: number, most: number, where: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most && value < Infinity) return value;
  throw notANumber(`a number from ${least}${most < Infinity ? ` to ${most}` : ''}`, text, where);
}

function notANumber(expected: string, found: string, where: string): StrataError {
  return new StrataError({ code: 'usage.number', what: 'not a number that fits', where, expected, found });
}
