import { type Claim, type Expectation, holds } from '@strata/model/machine';
import type { Table } from '../terminal/table.ts';

/** A claim held against a measurement. `open` = nothing measured it in this run, or what did cannot decide it. */
export interface ClaimVerdict {
  readonly claim: Claim;
  /** Also of a claim that is left open, where there is a figure. */
  readonly measured: number | undefined;
  readonly verdict: 'holds' | 'does not hold' | 'open';
  /** How the measurement came about: input, mode, configuration. */
  readonly how?: string;
}

/** Yields the value of a measure that claims name. */
export interface Measure {
  readonly name: string;
  readonly summary: string;
  measure(): Promise<number> | number;
}

export function judge(claim: Claim, measured: number | undefined, how?: string): ClaimVerdict {
  const verdict = measured === undefined ? 'open' : holds(claim.expectation, measured) ? 'holds' : 'does not hold';
  return { claim, measured, verdict, ...(how === undefined ? {} : { how }) };
}

/** A claim that our figure cannot decide. @param why it cannot, for a reader who sees both figures */
export function leaveOpen(claim: Claim, measured: number, why: string): ClaimVerdict {
  return { claim, measured, verdict: 'open', how: `open: ${why}` };
}

export function expectationText(expectation: Expectation): string {
  switch (expectation.kind) {
    case 'equals':
      return expectation.tolerance === 0 ? `${expectation.value}` : `${expectation.value} ± ${expectation.tolerance}`;
    case 'between':
      return `${expectation.low} to ${expectation.high}`;
    case 'at-least':
      return `at least ${expectation.value}`;
    case 'at-most':
      return `at most ${expectation.value}`;
  }
}

/** The table of claims: published, measured, verdict. */
export function claimsTable(verdicts: readonly ClaimVerdict[]): Table {
  return {
    name: 'claims',
    columns: [
      { name: 'claim', type: 'text' },
      { name: 'statement', type: 'text' },
      { name: 'published', type: 'text' },
      { name: 'expected', type: 'text' },
      { name: 'measured', type: 'real', decimals: 3 },
      { name: 'unit', type: 'text' },
      { name: 'verdict', type: 'text' },
      { name: 'basis', type: 'text' },
      { name: 'restsOn', type: 'text' },
      { name: 'source', type: 'text' },
      { name: 'how', type: 'text' },
    ],
    rows: verdicts.map(({ claim, measured, verdict, how }) => ({
      claim: claim.id,
      statement: claim.statement,
      published: claim.published,
      expected: expectationText(claim.expectation),
      measured,
      unit: claim.unit ?? '',
      verdict,
      basis: claim.rests?.on ?? '',
      restsOn: claim.rests?.what ?? '',
      source: claim.source,
      how: how ?? '',
    })),
  };
}

/** What claims rest on that is fitted or assumed, one paragraph for each such constant and the claims that share it. */
export function basesOf(verdicts: readonly ClaimVerdict[]): string[] {
  const byBasis = new Map<string, string[]>();
  for (const { claim } of verdicts) {
    if (claim.rests === undefined) continue;
    const text = `${claim.rests.on}: ${claim.rests.what}`;
    byBasis.set(text, [...(byBasis.get(text) ?? []), claim.id]);
  }
  return [...byBasis].map(([text, claims]) => `${text}\n  ${claims.join(', ')}`);
}

/** Why a claim is open or does not hold, one paragraph each: beneath the table, whose columns leave no room for it. */
export function reasonsOf(verdicts: readonly ClaimVerdict[]): string[] {
  return verdicts
    .filter(({ verdict, how }) => verdict !== 'holds' && how !== undefined && how !== '')
    .map((verdict) => reasonOf(verdict, '\n  '));
}

/** The published figure, ours, and why they differ. */
export function reasonOf({ claim, measured, verdict, how = '' }: ClaimVerdict, separator = '; '): string {
  const unit = claim.unit ? ` ${claim.unit}` : '';
  const figure = measured === undefined ? '' : `, measured ${Number(measured.toPrecision(6))}${unit}`;
  return `${claim.statement}: ${verdict}${separator}published ${claim.published}${figure}; ${how.replace(/^open: /, '')}`;
}
