import { StrataError } from '../../machine/errors.ts';
import { choice, type Field, integer, real, resolve, type Spec, type ValuesOf } from '../../machine/fields.ts';
import { createRandom } from '../../machine/random.ts';
import { createTranslationBlock, type TranslationBlock } from '../compat/records.ts';
import { ioWorkloads } from './registry.ts';
import type { IoWorkload, Target } from './workload.ts';

export const ioGeneratorSpec = {
  tenants: integer(1024, 'tenants, each with a requester and a domain of its own', { min: 1, max: 65_536 }),
  packets: integer(200, 'packets per tenant, on average where loads differ', { min: 1, unit: 'packets' }),
  order: choice(['rr', 'rand'], 'rr', "whose turn is next: round robin, or at random by the tenants' loads"),
  burst: integer(1, "packets of a tenant's turn", { min: 1, unit: 'packets' }),
  skew: real(0, 'exponent of the loads with order=rand: tenant n sends in proportion to 1 / n^skew', {
    min: 0,
    max: 4,
  }),
  pages: choice(['mixed', '4k'], 'mixed', 'pages as the workload has them, or the same addresses in 4 KiB pages only'),
  seed: integer(42, 'of everything random'),
};

export interface IoGenerator {
  readonly workload: IoWorkload;
  readonly values: ValuesOf<typeof ioGeneratorSpec>;
}

/**
 * From `NAME,key=value,...`: `iperf3,tenants=1024,packets=100,order=rand`.
 * @throws StrataError `registry.unknown-name`, `io.generator`, `config.*`
 */
export function parseIoGenerator(text: string, where = text): IoGenerator {
  const [name = '', ...settings] = text.split(',');
  return {
    workload: ioWorkloads.get(name),
    values: resolve(ioGeneratorSpec, settingsOf(settings, ioGeneratorSpec, where), where),
  };
}

/** `key=value` each, as numbers where the spec has numbers. @throws StrataError `io.generator` */
export function settingsOf(settings: readonly string[], spec: Spec, where: string): Record<string, unknown> {
  return Object.fromEntries(
    settings.map((setting) => {
      const equals = setting.indexOf('=');
      if (equals < 1)
        throw new StrataError({
          code: 'io.generator',
          what: 'a setting is malformed',
          where,
          expected: `key=value with ${Object.keys(spec).join(', ')}`,
          found: setting === '' ? 'nothing' : setting,
        });
      const key = setting.slice(0, equals);
      const value = setting.slice(equals + 1);
      const field: Field | undefined = spec[key];
      const isNumber = field?.kind === 'integer' || field?.kind === 'number';
      if (field?.kind === 'flag' && (value === 'true' || value === 'false')) return [key, value === 'true'];
      return [key, isNumber && value !== '' && Number.isFinite(Number(value)) ? Number(value) : value];
    }),
  );
}

const blockRecords = 8190;
const partsPerPacket = 3;

/** The workload's requests, block by block; the block is reused. The next access of each page, for the oracle, costs memory per request. */
export function* generateTranslations(generator: IoGenerator, withNextAccess = false): Generator<TranslationBlock> {
  const next = withNextAccess ? nextAccesses(generator) : undefined;
  let first = 0;
  for (const block of blocksOf(generator)) {
    if (next === undefined) block.nextAccess.fill(Number.POSITIVE_INFINITY);
    else block.nextAccess.set(next.subarray(first, first + block.length));
    first += block.length;
    yield block;
  }
}

function nextAccesses(generator: IoGenerator): Float64Array {
  const { tenants, packets } = generator.values;
  const pages = new Float64Array(tenants * packets * partsPerPacket);
  let length = 0;
  for (const block of blocksOf(generator))
    for (let record = 0; record < block.length; record++)
      pages[length++] = block.did[record]! * 2 ** 32 + ((block.iovaLo[record]! & block.maskLo[record]!) >>> 0);
  const last = new Map<number, number>();
  const next = new Float64Array(length);
  for (let at = length - 1; at >= 0; at--) {
    const page = pages[at]!;
    next[at] = last.get(page) ?? Number.POSITIVE_INFINITY;
    last.set(page, at);
  }
  return next;
}

function* blocksOf({ workload, values }: IoGenerator): Generator<TranslationBlock> {
  const { tenants, packets, burst, pages } = values;
  const block = createTranslationBlock(blockRecords);
  const random = createRandom(values.seed);
  const target: Target = { iova: 0, level: 1 };
  const sent = new Uint32Array(tenants);
  const turn = turns(values);
  const total = tenants * packets;
  for (let packet = 0, tenant = 0; packet < total; packet++) {
    if (packet % burst === 0) tenant = turn();
    const own = sent[tenant]!++;
    const bits = random.uint32();
    for (let part = 0; part < partsPerPacket; part++) {
      workload.target(target, tenant, own, part, bits);
      const level = pages === '4k' ? 1 : target.level;
      const at = block.length++;
      block.sid[at] = tenant;
      block.did[at] = tenant;
      block.iovaLo[at] = target.iova;
      block.iovaHi[at] = 0;
      block.maskLo[at] = level === 1 ? 0xfffff000 : 0xffe00000;
      block.maskHi[at] = 0xffffffff;
      block.level[at] = level;
    }
    if (block.length === blockRecords) {
      yield block;
      block.length = 0;
    }
  }
  if (block.length > 0) yield block;
}

export type Turns = Pick<IoGenerator['values'], 'tenants' | 'order' | 'skew' | 'seed'>;

/** Draws the tenant of each turn. */
export function turns({ tenants, order, skew, seed }: Turns): () => number {
  if (order === 'rr') {
    let tenant = -1;
    return () => {
      tenant = tenant + 1 === tenants ? 0 : tenant + 1;
      return tenant;
    };
  }
  const random = createRandom(seed).fork();
  if (skew === 0) return () => random.below(tenants);
  const cumulative = new Float64Array(tenants);
  let sum = 0;
  for (let tenant = 0; tenant < tenants; tenant++) {
    sum += (tenant + 1) ** -skew;
    cumulative[tenant] = sum;
  }
  return () => {
    const drawn = random.unit() * sum;
    let low = 0;
    let high = tenants - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! <= drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
