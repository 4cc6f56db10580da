import { resolve, type Spec, type ValuesOf } from '../../../machine/fields.ts';
import { createRandom } from '../../../machine/random.ts';
import { createPacketBlock, type PacketBlock, type QueueShape } from '../../correct/packet-block.ts';
import { settingsOf, turns } from '../generate.ts';
import { type ArrivalValues, arrivalSpec, type QueuedPacket, type QueueWorkload } from './queue-workload.ts';
import { queueWorkloads } from './registry.ts';

export interface QueueGenerator {
  readonly workload: QueueWorkload;
  readonly arrivals: ArrivalValues;
  readonly values: ValuesOf<Spec>;
  readonly shape: QueueShape;
}

/** Whether `NAME,key=value,...` names a workload of queues, as against one of recorded addresses. */
export function isQueueGenerator(text: string): boolean {
  return queueWorkloads.has(text.split(',')[0]!);
}

/** From `nic,tenants=4,queues=8,sizes=imix`. @throws StrataError `registry.unknown-name`, `io.generator`, `config.*` */
export function parseQueueGenerator(text: string, where = text): QueueGenerator {
  const [name = '', ...settings] = text.split(',');
  const workload = queueWorkloads.get(name);
  const spec = { ...arrivalSpec, ...workload.spec };
  const all = resolve(spec, settingsOf(settings, spec, where), where);
  const pick = (of: Spec) => Object.fromEntries(Object.keys(of).map((key) => [key, all[key as keyof typeof all]]));
  const values = resolve(workload.spec, pick(workload.spec), where);
  const arrivals = resolve(arrivalSpec, pick(arrivalSpec), where);
  return { workload, arrivals, values, shape: workload.shape(values, arrivals.queues) };
}

const blockPackets = 4096;

/** The workload's packets, block by block; the block is reused. Needs memory per tenant and queue, none per packet. */
export function* generatePackets({ workload, arrivals, values, shape }: QueueGenerator): Generator<PacketBlock> {
  const { tenants, packets, burst, queues, spread, seed } = arrivals;
  const block = createPacketBlock(blockPackets);
  const random = createRandom(seed);
  const turn = turns(arrivals);
  const clock = clockOf(arrivals, random.fork());
  const sent = new Uint32Array(tenants * queues);
  const next = new Uint32Array(tenants);
  const out: QueuedPacket = { bytes: 0, headerBytes: 0, replyBytes: 0 };
  for (let packet = 0, tenant = 0; packet < tenants * packets; packet++) {
    if (packet % burst === 0) tenant = turn();
    const queue = spread === 'rand' ? random.below(queues) : next[tenant]!++ % queues;
    workload.packet(out, values, sent[tenant * queues + queue]!++, random);
    append(block, tenant, queue, out.bytes, out.headerBytes, clock(out.bytes));
    if (out.replyBytes > 0) append(block, tenant, shape.receiveQueues + queue, out.replyBytes, 0, -1);
    if (block.length < blockPackets - 1) continue;
    yield block;
    block.length = 0;
  }
  if (block.length > 0) yield block;
}

function append(
  block: PacketBlock,
  tenant: number,
  queue: number,
  bytes: number,
  headerBytes: number,
  at: number,
): void {
  const record = block.length++;
  block.sid[record] = tenant;
  block.did[record] = tenant;
  block.queue[record] = queue;
  block.bytes[record] = bytes;
  block.headerBytes[record] = headerBytes;
  block.arrivalNs[record] = at;
}

/** When a packet of so many bytes arrives: -1 = right behind the one before. */
function clockOf({ arrivals, gbps, train }: ArrivalValues, random: { unit(): number }): (bytes: number) => number {
  let now = 0;
  let bits = 0;
  let count = 0;
  if (arrivals === 'line') return () => -1;
  if (arrivals === 'poisson')
    return (bytes) => {
      now -= (Math.log(1 - random.unit()) * bytes * 8) / gbps;
      return now;
    };
  return (bytes) => {
    const isFirst = count++ % train === 0;
    const at = isFirst ? bits / gbps : -1;
    bits += bytes * 8;
    return at;
  };
}
