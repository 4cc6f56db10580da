/**
 * Translations per second of the machine at 64 tenants under three schemes, beside the obvious model of waiting processes on the head of
 * the same trace: the yardstick, which is what the events have to beat.
 */
import { resolveScheme } from '../schemes/registry.ts';
import { generateTranslations, parseIoGenerator } from '../workloads/generate.ts';
import { resolveIoMachine } from './config.ts';
import { simulateNaively } from './naive-model.case.ts';
import { createIoSimulation } from './simulate.ts';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const packets = smoke ? 20 : 600;
const headPackets = smoke ? 5 : 30;
const tenants = 64;
const machine = resolveIoMachine({ queueEntries: 32 });

/** Translations per second of processor time. */
function rateOf(count: number, run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (count * 3 * 1e6) / (user + system);
}

function head(): void {
  simulateNaively(machine, [
    ...generateTranslations(parseIoGenerator(`iperf3,tenants=${tenants},packets=${headPackets}`)),
  ]);
}

head();
const yardstick = rateOf(tenants * headPackets, head);
console.log(`obvious model: ${Math.round(yardstick)} translations/s (yardstick)`);
for (const scheme of ['persistent-pools', 'strict', 'contiguous']) {
  const run = (count: number) => () => {
    const simulation = createIoSimulation({ machine, ...resolveScheme(scheme) });
    for (const block of generateTranslations(parseIoGenerator(`iperf3,tenants=${tenants},packets=${count}`)))
      simulation.feed(block);
    simulation.finish();
  };
  run(headPackets)();
  const rate = rateOf(tenants * packets, run(packets));
  console.log(`${scheme}: ${Math.round(rate)} translations/s, ${(rate / yardstick).toFixed(1)} times the yardstick`);
}
