import { resolve } from '../machine/fields.ts';
import { elasticityFields } from './config.ts';
import { xeon6252 } from './costs.ts';
import { footprintOf } from './footprint.ts';
import { generateDemand } from './generators.ts';
import { techniques } from './techniques/index.ts';

/** Seconds of demand replayed per second, for each technique, against adding the same number of samples up. */
const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const minutes = smoke ? 50 : 5000;
const demand = generateDemand('compile', { minutes });
const config = resolve(elasticityFields);

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}

const yardstick = timed(() => {
  let sum = 0;
  for (let second = 0; second < minutes * 60; second++) sum += demand.usedHugeMib[second >> 1] ?? 0;
  return sum;
});
for (const technique of techniques) {
  const seconds = timed(() => footprintOf({ demand, technique, vfio: false, profile: xeon6252, config }));
  const per50 = (1000 * seconds * 50) / minutes;
  console.log(
    `${technique.name.padEnd(20)} ${per50.toFixed(2).padStart(8)} ms per 50 minutes of demand; ${(seconds / yardstick).toFixed(1)} x adding the samples up`,
  );
}
