import { choice, integer, real, type Spec, type ValuesOf } from '../../../machine/fields.ts';
import type { Random } from '../../../machine/random.ts';
import type { Named } from '../../../machine/registry.ts';
import type { QueueShape } from '../../correct/packet-block.ts';
import { ioGeneratorSpec } from '../generate.ts';

const { tenants, packets, order, burst, skew, seed } = ioGeneratorSpec;

/** What every workload of queues has: who sends, and when. */
export const arrivalSpec = {
  tenants: { ...tenants, default: 1 },
  packets: { ...packets, default: 2000 },
  order,
  burst,
  skew,
  seed,
  queues: integer(4, 'queues of each tenant', { min: 1, max: 1024, unit: 'queues' }),
  spread: choice(['rr', 'rand'], 'rr', "a tenant's queues in turn, or at random as a hash of flows does"),
  arrivals: choice(
    ['line', 'poisson', 'bursts'],
    'line',
    'back to back; independently at a mean rate; or so many back to back and then a pause, at a mean rate',
  ),
  gbps: real(100, 'mean rate of all tenants together, unless they come back to back', {
    min: 1e-6,
    max: 1e6,
    unit: 'Gb/s',
  }),
  train: integer(32, 'packets back to back with arrivals=bursts', { min: 1, max: 1e6, unit: 'packets' }),
};

export type ArrivalValues = ValuesOf<typeof arrivalSpec>;

/** One packet or command, filled in by the workload. */
export interface QueuedPacket {
  bytes: number;
  headerBytes: number;
  /** The tenant sends a small packet back on the queue's transmit ring after this one; 0 = none. */
  replyBytes: number;
}

/**
 * A device with several queues per tenant, whose buffers the driver maps as its scheme says. Adding one is one file and one line in
 * `registry.ts`; that yields its parameters in `gen:NAME,key=value`, its line in `--help` and its row in the documentation.
 */
export interface QueueWorkload<S extends Spec = Spec> extends Named {
  readonly source: string;
  /** Beside `arrivalSpec`. */
  readonly spec: S;
  shape(values: ValuesOf<S>, queues: number): QueueShape;
  /** @param sent packets that the tenant's queue has had before */
  packet(out: QueuedPacket, values: ValuesOf<S>, sent: number, random: Random): void;
}

export function defineQueueWorkload<const S extends Spec>(workload: QueueWorkload<S>): QueueWorkload<S> {
  return workload;
}
