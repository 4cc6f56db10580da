import type { Claim } from '@strata/model/machine';
import { describe, expect, it } from 'vitest';
import { htmlReport } from '../report/report.ts';
import { hostRecord, versionRecord } from '../runs/manifest.ts';
import { claimsTable, judge, leaveOpen, reasonsOf } from './verdict.ts';

const claim: Claim = {
  id: 'part.gain',
  statement: 'it gains',
  source: 'somebody, somewhere, abstract',
  published: '1.24 on average',
  expectation: { kind: 'at-least', value: 1 },
  unit: 'x',
  measure: 'part.gain',
};

describe('a claim that our figure cannot decide', () => {
  const verdict = leaveOpen(claim, 0.87, 'its caches are not modelled');

  it('is open, with our figure in the column of what was measured', () => {
    expect(claimsTable([verdict]).rows[0]).toMatchObject({
      published: '1.24 on average',
      measured: 0.87,
      verdict: 'open',
      how: 'open: its caches are not modelled',
    });
  });

  it('says both figures and why on the terminal', () => {
    expect(reasonsOf([verdict])).toEqual([
      'it gains: open\n  published 1.24 on average, measured 0.87 x; its caches are not modelled',
    ]);
  });

  it('shows both figures in the report, beside the reason', () => {
    const manifest = {
      schemaVersion: 1,
      kind: 'strata-run',
      study: 'test',
      command: [],
      configuration: {},
      seed: 0,
      versions: versionRecord(),
      host: hostRecord(),
      inputs: [],
      startedAt: '2024-01-01T00:00:00.000Z',
      seconds: 1,
      exitStatus: 0,
      interrupted: false,
    } as const;
    const page = htmlReport(
      'test',
      manifest,
      { stats: {}, tables: [], figures: [], claims: [verdict], warnings: [], notModelled: [], interrupted: false },
      [],
    );
    const row = /<tr>\n<td>it gains[\s\S]*?<\/tr>/.exec(page)![0];
    expect(row).toContain('1.24 on average');
    expect(row).toContain('<td class="number">0.87 ');
    expect(row).toContain('its caches are not modelled');
    expect(row).toContain('open</span>');
  });
});

describe('a claim without a figure', () => {
  it('is open, and has none', () => {
    expect(judge(claim, undefined)).toMatchObject({ verdict: 'open', measured: undefined });
    expect(reasonsOf([judge(claim, undefined, 'nothing was recorded')])).toEqual([
      'it gains: open\n  published 1.24 on average; nothing was recorded',
    ]);
  });
});
