import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assumptionsOf, designs } from '@strata/model/translation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { strataCommand } from '../../../../testing/components.ts';
import { withOfferedDesigns } from './offered.ts';
import { type Spread, spreadNotes, varying } from './spread.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-offered-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const chosen = (given: Parameters<typeof withOfferedDesigns>[0]) => {
  const { configuration, leftOut } = withOfferedDesigns(given);
  return { names: Object.keys(configuration.designs as object), leftOut };
};

describe('designs asked for together', () => {
  it.each(['native', 'virtualized', 'nested'] as const)(
    'are those that the %s set-up has, the others told of',
    (setup) => {
      const has = [...designs].filter(({ setups }) => setups.includes(setup)).map(({ name }) => name);
      const { names, leftOut } = chosen({ setup, designs: designs.names });
      expect(names).toEqual(has);
      expect(leftOut).toHaveLength(designs.names.length - has.length);
      for (const sentence of leftOut) expect(sentence).toContain(`has no ${setup} set-up (it has `);
      expect(chosen({ setup, designs: { all: {}, dmt: { areas: 3 } } }).names).toEqual(has);
    },
  );

  it('keep their parameters, names that nobody knows, and whatever would leave nothing', () => {
    const { configuration } = withOfferedDesigns({ designs: { all: {}, dmt: { areas: 3 } } });
    expect(configuration.designs).toMatchObject({ dmt: { areas: 3 }, radix: {} });
    expect(chosen({ designs: ['dmt', 'fpta'] })).toEqual({ names: ['dmt', 'fpta'], leftOut: [] });
    const alone = { setup: 'native', designs: ['shadow', 'radix'] };
    expect(withOfferedDesigns(alone)).toEqual({ configuration: alone, leftOut: [] });
  });
});

describe('what designs assume', () => {
  it('stands in the report, in the document and with each value as it was set', () => {
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [
        ...[strataCommand, 'translate', 'run', '--trace', 'gen:gups,size=16MiB,accesses=1e3', '--setup', 'native'],
        ...[
          '--designs',
          'radix,shadow,dmt,asap',
          '--set',
          'designs.dmt.registerLoadCycles=77',
          '--json',
          '--out',
          'run',
        ],
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(status).toBe(0);
    expect(stderr).toContain('shadow has no native set-up (it has virtualized, nested), left out.');
    const { assumptions } = JSON.parse(stdout) as { assumptions: Record<string, string[]> };
    expect(Object.keys(assumptions)).toEqual(['radix', 'dmt', 'asap']);
    expect(assumptions.dmt!.join('\n')).toContain('registerLoadCycles = 77 cycles');
    const report = readFileSync(join(folder, 'run', 'report.html'), 'utf8');
    const shown = report.slice(report.indexOf('What is assumed'), report.indexOf('What is not modelled'));
    for (const sentence of designs.get('asap').assumptions!) expect(shown).toContain(sentence);
    expect(shown).toContain('registerLoadCycles = 77 cycles');
  });

  it('is every parameter whose source says so', () => {
    for (const design of designs) {
      const assumed = Object.entries(design.spec).filter(
        ([, field]) => field.kind !== 'group' && /\b(assumed|unverified)\b/.test(field.source ?? ''),
      );
      const said = assumptionsOf(design);
      expect(said).toHaveLength((design.assumptions ?? []).length + assumed.length);
      for (const [name] of assumed) expect(said.some((sentence) => sentence.startsWith(`${name} = `))).toBe(true);
    }
  });
});

describe('figures over seeds', () => {
  const one = (max: number): Spread => ({
    setup: 'native',
    design: 'radix',
    figure: 'cyclesPerWalk',
    seeds: 3,
    median: 1,
    min: 1,
    max,
  });

  it('are listed where seeds differ, and it is said how many do', () => {
    expect(varying([one(1), one(2)])).toEqual([one(2)]);
    expect(spreadNotes([one(1), one(2)])).toEqual([expect.stringContaining('1 of 2 differ')]);
    expect(spreadNotes([one(1)])).toEqual([expect.stringContaining('all 3 seeds gave the same figures')]);
    expect(spreadNotes([])).toEqual([]);
  });
});
