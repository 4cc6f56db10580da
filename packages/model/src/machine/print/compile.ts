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

/**
 * Runs printed source once and gives what it returns.
 * @param resources values that the source names
 * @throws EvalError where `canCompile` says no
 */
export function compile<T>(source: string, resources: Readonly<Record<string, unknown>>): T {
  const factory = new Function(...Object.keys(resources), `'use strict';\n${source}`) as (...values: unknown[]) => T;
  return factory(...Object.values(resources));
}
