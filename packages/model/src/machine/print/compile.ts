/**
 * Whether code may be made from text here: not in a page whose Content-Security-Policy lacks 'unsafe-eval'. What is printed then falls back
 * to its interpreted version, with the same results.
 */
export function canCompile(): boolean {
  try {
    return compile<boolean>('return true;', {});
  } catch {
    return false;
  }
}

let printed = 0;

/**
 * A comment that makes a printed text unlike any other. JavaScript engines share compiled code and type feedback between functions of
 * equal text, so the loops and caches of two designs would be compiled for both instead of each for its own.
 */
export function unlikeAnyOther(): string {
  return `// ${++printed}`;
}

/**
 * Runs printed source once and gives what it returns.
 * @param resources values that the source names
 * @throws EvalError where `canCompile` says no
 */
export function compile<T>(source: string, resources: Readonly<Record<string, unknown>>): T {
  const factory = new Function(...Object.keys(resources), `'use strict'; ${unlikeAnyOther()}\n${source}`) as (
    ...values: unknown[]
  ) => T;
  return factory(...Object.values(resources));
}
