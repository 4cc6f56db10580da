/** Latency of a tenant's packets from arrival to the last DMA, in nanoseconds. */
export interface TenantLatency {
  readonly did: number;
  readonly delivered: number;
  readonly lost: number;
  readonly bytes: number;
  readonly meanNs: number;
  /** Percentiles, to within 1/8 octave upwards. */
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
}

const stepsPerOctave = 8;
const buckets = 40 * stepsPerOctave;

/** Per tenant a histogram of logarithmic buckets, made when it first sends. */
export class LatencyTable {
  readonly #tenants = new Map<number, Tenant>();

  deliver(did: number, latency: number, bytes: number): void {
    const tenant = this.#of(did);
    const bucket = Math.min(buckets - 1, Math.ceil(Math.log2(Math.max(1, latency)) * stepsPerOctave));
    tenant.histogram[bucket]!++;
    tenant.delivered++;
    tenant.bytes += bytes;
    tenant.sum += latency;
    if (latency > tenant.max) tenant.max = latency;
  }

  lose(did: number): void {
    this.#of(did).lost++;
  }

  tenants(): TenantLatency[] {
    return [...this.#tenants]
      .sort(([a], [b]) => a - b)
      .map(([did, { delivered, lost, bytes, sum, max, histogram }]) => ({
        did,
        delivered,
        lost,
        bytes,
        meanNs: delivered === 0 ? 0 : sum / delivered,
        p50Ns: percentile(histogram, delivered, 0.5, max),
        p90Ns: percentile(histogram, delivered, 0.9, max),
        p99Ns: percentile(histogram, delivered, 0.99, max),
        maxNs: max,
      }));
  }

  #of(did: number): Tenant {
    let tenant = this.#tenants.get(did);
    if (tenant === undefined) {
      tenant = { histogram: new Uint32Array(buckets), delivered: 0, lost: 0, bytes: 0, sum: 0, max: 0 };
      this.#tenants.set(did, tenant);
    }
    return tenant;
  }
}

interface Tenant {
  readonly histogram: Uint32Array;
  delivered: number;
  lost: number;
  bytes: number;
  sum: number;
  max: number;
}

function percentile(histogram: Uint32Array, count: number, share: number, max: number): number {
  let left = count * share;
  for (let bucket = 0; bucket < buckets; bucket++) {
    left -= histogram[bucket]!;
    if (left <= 0 && histogram[bucket]! > 0) return Math.min(max, 2 ** (bucket / stepsPerOctave));
  }
  return max;
}

/** Jain's index of the shares of their packets that tenants get through: 1 = all alike, 1/n = one gets everything. */
export function fairnessOf(tenants: readonly TenantLatency[]): number {
  let sum = 0;
  let squares = 0;
  for (const { delivered, lost } of tenants) {
    const share = delivered + lost === 0 ? 0 : delivered / (delivered + lost);
    sum += share;
    squares += share * share;
  }
  return squares === 0 ? 1 : (sum * sum) / (tenants.length * squares);
}
