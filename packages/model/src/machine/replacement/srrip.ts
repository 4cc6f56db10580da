import type { ReplacementPolicy } from './policy.ts';

/** Prediction of a 2-bit counter: re-used in the distant future, next to be replaced. */
const distant = 3;
/** What a new entry is given: a long interval, so that a scan leaves before what was used again. */
const long = 2;

/** Static re-reference interval prediction with 2 bits, hit priority. */
export const srrip: ReplacementPolicy = {
  name: 'srrip',
  summary: 'replaces an entry predicted to be re-used in the distant future; resists scans',
  source: 'Jaleel et al., ISCA 2010, section 4 (SRRIP-HP, M = 2)',
  repeatsChangeNothing: false,
  create(sets, ways) {
    const intervals = new Uint8Array(sets * ways);
    return {
      hit: (set, way) => {
        intervals[set * ways + way] = 0;
      },
      fill: (set, way) => {
        intervals[set * ways + way] = long;
      },
      remove() {},
      victim(set) {
        const row = set * ways;
        for (;;) {
          for (let way = 0; way < ways; way++) if (intervals[row + way] === distant) return way;
          for (let way = 0; way < ways; way++) intervals[row + way]! += 1;
        }
      },
      clear: () => {
        intervals.fill(0);
      },
    };
  },
  print({ prefix, sets, ways, instances }) {
    const intervals = `${prefix}intervals`;
    return {
      declare: `const ${intervals} = new Uint8Array(${instances * sets * ways});`,
      hit: `${intervals}[slot] = 0;`,
      fill: `${intervals}[slot] = ${long};`,
      remove: '',
      victim: `slot = -1;
        while (slot < 0) {
          for (let way = 0; way < ${ways}; way++) if (${intervals}[row + way] === ${distant}) { slot = row + way; break; }
          if (slot < 0) for (let way = 0; way < ${ways}; way++) ${intervals}[row + way]++;
        }`,
      victimFindsEmpty: false,
      clear: `${intervals}.fill(0);`,
    };
  },
};
