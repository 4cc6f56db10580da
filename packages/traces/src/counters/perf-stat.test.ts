import { perfFigures } from '@strata/model/translation/compat';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseWalkCounters } from './perf-stat.ts';

const events = {
  'dtlb_load_misses.walk_pending': 2_100_000_000,
  'dtlb_store_misses.walk_pending': 300_000_000,
  'itlb_misses.walk_pending': 1_000,
  'dtlb_load_misses.walk_completed': 10_000_000,
  'dtlb_store_misses.walk_completed': 2_000_000,
  'itlb_misses.walk_completed': 30,
  cycles: 4_000_000_000,
};
const expected = {
  walkCycles: { event: 'walk_pending', count: 2_400_001_000 },
  walksCompleted: 12_000_030,
  cycles: 4_000_000_000,
};
type Counted = readonly (readonly [event: string, count: number])[];
const counted: Counted = Object.entries(events);

/** What perf prints, in the language whose separator of thousands this is. */
function text(counts: Counted, { separator = ',', suffix = '', front = '' } = {}): string {
  const grouped = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, separator);
  return [
    '# started on Fri Nov 20 12:00:00 2026',
    '',
    " Performance counter stats for './gups 30 cycles':",
    '',
    ...counts.map(
      ([event, count]) =>
        `${front}     ${grouped(count).padStart(18)}      ${event}${suffix}     # 12.3% frontend cycles idle  (57.14%)`,
    ),
    '     7,123,456,789      instructions              #    1.78  insn per cycle',
    '                                                  #    0.30  stalled cycles per insn',
    '          1,234.56 msec task-clock                #    1.000 CPUs utilized',
    '',
    '      57.283412345 seconds time elapsed',
    '',
  ].join('\n');
}

function csv(counts: Counted, separator: string, front = ''): string {
  return counts
    .map(([event, count]) =>
      [front === '' ? [] : [front], count, '', `${event}:u`, 1000, '57.14', '', ''].flat().join(separator),
    )
    .join('\n');
}

/** As perf 6.1 prints objects, one per line. */
function json(counts: Counted, front = ''): string {
  return counts
    .map(
      ([event, count]) =>
        `{${front}"counter-value" : "${count}.000000", "unit" : "", "event" : "${event}:u", "event-runtime" : 790333, "pcnt-running" : 57.14, "metric-value" : 0.000000, "metric-unit" : "(null)"}`,
    )
    .join('\n');
}

const half = counted.map(([event, count]) => [event, count / 2] as const);
/** Two intervals, and with --summary their sums. */
const intervals = {
  text: [
    '#           time             counts unit events',
    text(half, { front: '     0.100134673' }),
    text(half, { front: '     0.150259087' }),
  ].join('\n'),
  csv: `${csv(half, ',', '     0.102351382')}\n${csv(half, ',', '     0.158564090')}`,
  json: `${json(half, '"interval" : 0.100134673, ')}\n${json(half, '"interval" : 0.150259087, ')}`,
};

describe('walk counters', () => {
  it.each([
    ['as perf stat prints them', text(counted), 'perf-stat'],
    ['of user mode', text(counted, { suffix: ':u' }), 'perf-stat'],
    ['in a language with points', text(counted, { separator: '.' }), 'perf-stat'],
    ['in a language with blanks', text(counted, { separator: ' ' }), 'perf-stat'],
    ['in a language with narrow blanks', text(counted, { separator: '\u202f' }), 'perf-stat'],
    ['without separators', text(counted, { separator: '' }), 'perf-stat'],
    ['with time stamps (-I)', text(counted, { front: '     1.000986123' }), 'perf-stat'],
    ['by processor (-A)', text(counted, { front: 'CPU0' }), 'perf-stat'],
    ['of a hybrid processor', text(counted.map(([event, count]) => [`cpu_core/${event}/`, count])), 'perf-stat'],
    ['as CSV', csv(counted, ','), 'perf-stat-csv'],
    ['as CSV with semicolons', csv(counted, ';'), 'perf-stat-csv'],
    ['as CSV with tabs', csv(counted, '\t'), 'perf-stat-csv'],
    ['as CSV with time stamps', csv(counted, ',', '1.000986123'), 'perf-stat-csv'],
    [
      'as CSV by core',
      counted.map(([event, count]) => `S0-D0-C0,2,${count},,${event},1000,57.14,,`).join('\n'),
      'perf-stat-csv',
    ],
    ['as JSON', json(counted), 'perf-stat-json'],
    ['as JSON by processor', json(counted, '"cpu" : "0", '), 'perf-stat-json'],
    ['in intervals', intervals.text, 'perf-stat'],
    ['in intervals with a summary', `${intervals.text}\n${text(counted)}`, 'perf-stat'],
    ['in intervals as CSV', intervals.csv, 'perf-stat-csv'],
    [
      'in intervals as CSV with a summary',
      `${intervals.csv}\n${csv(counted, ',', '         summary')}`,
      'perf-stat-csv',
    ],
    ['in intervals as JSON', intervals.json, 'perf-stat-json'],
    ['in intervals as JSON with a summary', `${intervals.json}\n${json(counted)}`, 'perf-stat-json'],
  ])('are read %s', (_, content, format) => {
    expect(parseWalkCounters(content, 'walks.txt')).toMatchObject({ ...expected, format, warnings: [] });
  });

  it('are added up over processors and intervals, however they are split', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 5 }), (parts) => {
        const split = counted.flatMap(([event, count]) => {
          const rest = count - parts.reduce((sum, part) => sum + Math.min(part, 5), 0);
          return [...parts.map((part) => Math.min(part, 5)), rest].map((part): [string, number] => [event, part]);
        });
        for (const content of [text(split), csv(split, ','), json(split)])
          expect(parseWalkCounters(content, 'walks.txt')).toMatchObject(expected);
      }),
    );
  });

  it.each(['walk_active', 'walk_duration'] as const)(
    'may be %s, which counts a cycle once however many walkers work',
    (event) => {
      const others: Counted = counted.map(([name, count]) => [name.replace('walk_pending', event), count]);
      for (const content of [text(others), csv(others, ','), json(others)]) {
        const counters = parseWalkCounters(content, 'walks.txt');
        expect(counters).toMatchObject({ ...expected, walkCycles: { event, count: 2_400_001_000 }, warnings: [] });
        expect(perfFigures(counters)).toEqual({
          walkOverhead: 2_400_001_000 / 4_000_000_000,
          walkLatencyCycles: 2_400_001_000 / 12_000_030,
        });
      }
      // What two walkers can, one cannot.
      const busy: Counted = others.map(([name, count]) => [name, name.endsWith(event) ? 2 * count : count]);
      expect(() => parseWalkCounters(text(busy), 'walks.txt')).toThrow(/contradict/);
    },
  );

  it('are walk_pending where a file has several', () => {
    const active: Counted = counted
      .filter(([event]) => event.endsWith('pending'))
      .map(([event, count]) => [event.replace('pending', 'active'), count / 2]);
    expect(parseWalkCounters(text([...active, ...counted]), 'walks.txt')).toMatchObject(expected);
  });

  it('may miss single intervals, which is said, but not all of them', () => {
    const missed = intervals.csv.replace('1050000000', '<not counted>');
    const { walkCycles, warnings } = parseWalkCounters(missed, 'walks.txt');
    expect(walkCycles.count).toBe(2_400_001_000 - 1_050_000_000);
    expect(warnings.join()).toMatch(/not counted all of the time: dtlb_load_misses.walk_pending/);
    expect(() => parseWalkCounters(missed.replace('1050000000', '<not counted>'), 'walks.txt')).toThrow(
      /did not count/,
    );
  });

  it('come with the duration', () => {
    expect(parseWalkCounters(text(counted), 'walks.txt').durationSeconds).toBeCloseTo(57.283412345, 9);
  });

  it('are read from the files of the artifact, which name cycles in their own way', () => {
    const short = counted.map(([event, count]) => `${event === 'cycles' ? 'cycles:ukhHG' : event}\t${count}`);
    expect(parseWalkCounters(`duration\t57.28\n${short.join('\n')}\n`, 'perf-4k.short')).toMatchObject({
      ...expected,
      durationSeconds: 57.28,
      format: 'perf-short',
    });
  });

  it('may lack stores and fetches, which is said', () => {
    const some = counted.filter(([event]) => event === 'cycles' || event.startsWith('dtlb_load'));
    const { walkCycles, warnings } = parseWalkCounters(text(some), 'walks.txt');
    expect(walkCycles.count).toBe(2_100_000_000);
    expect(warnings.join()).toContain('dtlb_store_misses.walk_pending');
  });

  it.each<[string, string, RegExp]>([
    ['nothing', '', /no count of cycles.*perf stat/],
    ['no walks', text([['cycles', 5]]), /no count of dtlb_load_misses\.walk_pending/],
    ['a trace instead', 'addr,kind\n0x1000,load\n', /no count of cycles/],
    [
      'an event that was not counted',
      text(counted).replace(/[\d,]+(?= +itlb_misses.walk_pending)/, '<not supported>'),
      /walks\.txt, line \d+.*did not count itlb_misses\.walk_pending/,
    ],
    ['a broken count', csv(counted, ',').replace('4000000000', '4e9'), /line 7.*count of cycles cannot be read/],
    ['more walking than two walkers can', text([...counted.slice(0, 6), ['cycles', 10]]), /contradict/],
  ])('are refused with a sentence when there is %s', (_, content, message) => {
    expect(() => parseWalkCounters(content, 'walks.txt')).toThrow(message);
  });

  it('never crash on a file cut anywhere', () => {
    for (const whole of [text(counted), csv(counted, ','), json(counted)])
      for (let end = 0; end <= whole.length; end++)
        try {
          parseWalkCounters(whole.slice(0, end), 'walks.txt');
        } catch (error) {
          expect(error).toMatchObject({ name: 'StrataError' });
        }
  });
});
