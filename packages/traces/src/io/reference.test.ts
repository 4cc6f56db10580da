import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  buildQuirkNames,
  buildQuirks,
  createCompatSimulation,
  parseConfigurationFile,
  type TenantOrder,
  TraceBuilder,
} from '@strata/model/io';
import { decompress } from 'fzstd';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { createCollectorLogParser } from './collector-log.ts';
import { readTranslationRecords } from './translation-records.ts';

interface Build {
  readonly prefix: string;
  readonly tenants: number;
  readonly order: TenantOrder;
  readonly consec: number;
  readonly translations: number;
  readonly cc: number;
  readonly slpt: number;
  readonly sha256_iotlb: string;
  readonly sha256_cc: string;
  readonly sha256_slpt: string;
}

interface Run {
  readonly tenants: number;
  readonly order: TenantOrder;
  readonly consec: number;
  readonly config: string;
  readonly tqueue: number;
  readonly flows: { readonly n: number; readonly bw_min: number; readonly bw_max: number; readonly bw_sum: number };
  readonly [counter: string]: unknown;
}

const devicesInLog = 16;

describe.skipIf(!hasReference)(`the original's reference runs${referenceReason}`, () => {
  const lines = <T>(file: string): T[] =>
    readFileSync(reference(`io/${file}`), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as T);
  const log = hasReference ? decompress(readFileSync(reference('io/iperf3_vm_16_log_0.txt.zst'))) : new Uint8Array();
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

  function build(tenants: number): TraceBuilder {
    const builder = new TraceBuilder(buildQuirks(buildQuirkNames));
    builder.beginLog(Math.min(tenants, devicesInLog));
    const parser = createCollectorLogParser(builder);
    parser.push(log);
    parser.end();
    return builder;
  }

  it('are built byte for byte: nine hyper-tenant traces of three files each', () => {
    const builds = lines<Build>('build_main.jsonl');
    expect(builds).toHaveLength(9);
    const builders = new Map([1, 4, 16].map((tenants) => [tenants, build(tenants)]));
    for (const { prefix, tenants, order, consec, ...expected } of builds) {
      const builder = builders.get(tenants)!;
      const records = builder.translationRecords(builder.merge(order, consec));
      const { contexts, tables } = builder.summary();
      expect({
        prefix,
        translations: records.length / 48,
        cc: contexts,
        slpt: tables,
        iotlb: sha256(records),
        contexts: sha256(builder.contextRecords()),
        tables: sha256(builder.tableRecords()),
      }).toEqual({
        prefix,
        translations: expected.translations,
        cc: expected.cc,
        slpt: expected.slpt,
        iotlb: expected.sha256_iotlb,
        contexts: expected.sha256_cc,
        tables: expected.sha256_slpt,
      });
    }
  });

  it('are simulated counter for counter: eighteen runs of the base and HyperTRIO configurations', async () => {
    const runs = lines<Run>('run_main.jsonl');
    expect(runs).toHaveLength(18);
    const builders = new Map([1, 4, 16].map((tenants) => [tenants, build(tenants)]));
    for (const run of runs) {
      const builder = builders.get(run.tenants)!;
      const file = `${run.config}.cfg`;
      const simulation = createCompatSimulation({
        ...parseConfigurationFile(readFileSync(reference(`io/${file}`), 'utf8'), file),
        queueEntries: run.tqueue,
        linkGbps: 200,
        replacement: 'lru',
        inOrder: false,
        selective: false,
      });
      async function* bytes() {
        yield builder.translationRecords(builder.merge(run.order, run.consec));
      }
      for await (const block of readTranslationRecords(bytes(), 'trace')) simulation.feed(block);
      const { caches, prefetch, flows, ...result } = simulation.finish();
      const cache = ({ hit, miss, conflict, domains, rowsUsed, rows }: (typeof caches)['CC']) => ({
        hit,
        miss,
        conflict,
        domains,
        rows_used: rowsUsed,
        rows,
      });
      const rates = flows.map(({ mbps }) => mbps);
      const { n, bw_min, bw_max, bw_sum } = run.flows;
      expect({
        time_ns: result.timeNs,
        translations: result.translations,
        pkts_dropped: result.packetsDropped,
        mbps: result.mbps,
        CC: cache(caches.CC),
        IOTLB: cache(caches.IOTLB),
        L2PAGE: cache(caches.L2PAGE),
        L3PAGE: cache(caches.L3PAGE),
        prefetch: {
          accesses: prefetch.accesses,
          correct: prefetch.correct,
          incorrect: prefetch.incorrect,
          made: prefetch.made,
          new_map: prefetch.newMap,
          same_sid: prefetch.sameSid,
          diff_sid: prefetch.diffSid,
          fill_same: prefetch.fillSame,
          fill: prefetch.fill,
          buf_hit: prefetch.bufferHit,
          buf_miss: prefetch.bufferMiss,
          hist_hit: prefetch.historyHit,
          hist_miss: prefetch.historyMiss,
          sids: prefetch.sids,
        },
        flows: {
          n: rates.length,
          bw_min: Math.min(...rates),
          bw_max: Math.max(...rates),
          bw_sum: rates.reduce((sum, rate) => sum + rate, 0),
        },
      }).toEqual({
        time_ns: run.time_ns,
        translations: run.translations,
        pkts_dropped: run.pkts_dropped,
        mbps: run.mbps,
        CC: run.CC,
        IOTLB: run.IOTLB,
        L2PAGE: run.L2PAGE,
        L3PAGE: run.L3PAGE,
        prefetch: run.prefetch,
        flows: { n, bw_min, bw_max, bw_sum },
      });
    }
  });
});
