/** Latency of a tenant's packets from arrival to the last translation, in nanoseconds. */
export interface TenantLatency {
  readonly did: number;
  readonly delivered: number;
  readonly lost: number;
  readonly meanNs: number;
  /** Percentiles, to within 1/8 octave upwards. */
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
}

const stepsPerOctave = 8;
const buckets = 32 * stepsPerOctave;

/** Per tenant a histogram of logarithmic buckets, made when it first sends. */
export class LatencyTable {
  readonly #histograms = new Map<number, Tenant>();
  #arrival = 0;

  begin(did: number, arrival: number): void {
    this.#of(did);
    this.#arrival = arrival;
  }

  end(did: number, end: number): void {
    const tenant = this.#of(did);
    const latency = end - this.#arrival;
    const bucket = Math.min(buckets - 1, Math.ceil(Math.log2(Math.max(1, latency)) * stepsPerOctave));
    tenant.histogram[bucket]!++;
    tenant.delivered++;
    tenant.sum += latency;
    if (latency > tenant.max) tenant.max = latency;
  }

  lose(did: number): void {
    this.#of(did).lost++;
  }

  tenants(): TenantLatency[] {
    return [...this.#histograms]
      .sort(([a], [b]) => a - b)
      .map(([did, { delivered, lost, sum, max, histogram }]) => ({
        did,
        delivered,
        lost,
        meanNs: delivered === 0 ? 0 : sum / delivered,
        p50Ns: percentile(histogram, delivered, 0.5, max),
        p99Ns: percentile(histogram, delivered, 0.99, max),
        maxNs: max,
      }));
  }

  #of(did: number): Tenant {
    let tenant = this.#histograms.get(did);
    if (tenant === undefined) {
      tenant = { histogram: new Uint32Array(buckets), delivered: 0, lost: 0, sum: 0, max: 0 };
      this.#histograms.set(did, tenant);
    }
    return tenant;
  }
}

interface Tenant {
  readonly histogram: Uint32Array;
  delivered: number;
  lost: number;
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
