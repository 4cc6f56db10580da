/** Where a number comes from (ARCHITECTURE rule 2). An unverified figure is never the expectation of a claim. */
export type Origin = 'measured' | 'modelled' | 'published' | 'unverified';

/** What a measured value must satisfy for the claim to hold. */
export type Expectation =
  | { readonly kind: 'equals'; readonly value: number; readonly tolerance: number }
  | { readonly kind: 'between'; readonly low: number; readonly high: number }
  | { readonly kind: 'at-least'; readonly value: number }
  | { readonly kind: 'at-most'; readonly value: number };

/** A published statement as data: what is said, where, what must be measured for it to hold. One test and one row of the report each. */
export interface Claim {
  /** Stable: `translation.cold-walk-references`. */
  readonly id: string;
  readonly statement: string;
  /** Publication and section, or specification section. */
  readonly source: string;
  /** The published figure as printed there. */
  readonly published: string;
  readonly expectation: Expectation;
  readonly unit?: string;
  /** What the measured value rests on besides inputs that have a source; shown beside the verdict. Absent: nothing. */
  readonly rests?: {
    /** fitted: constants were chosen so that published figures come out; assumed: constants that nobody published. */
    readonly on: 'fitted' | 'assumed';
    /** Which constants, and to which figures. */
    readonly what: string;
  };
  /** Name of the measurement that yields the value; the laboratory maps names to code. */
  readonly measure: string;
}

export function holds(expectation: Expectation, measured: number): boolean {
  if (!Number.isFinite(measured)) return false;
  switch (expectation.kind) {
    case 'equals':
      return Math.abs(measured - expectation.value) <= expectation.tolerance;
    case 'between':
      return measured >= expectation.low && measured <= expectation.high;
    case 'at-least':
      return measured >= expectation.value;
    case 'at-most':
      return measured <= expectation.value;
  }
}
