/** What the process ends with when the error reaches the command line (UX: exit codes). */
export type ExitCode = 1 | 2 | 3;

export interface ErrorParts {
  /** Stable, machine-readable: `area.reason`, such as `trace.truncated`. */
  readonly code: string;
  /** What is wrong, in one clause. */
  readonly what: string;
  /** File, and record, line, byte offset or configuration path in it. */
  readonly where?: string;
  readonly expected?: string;
  readonly found?: string;
  /** What the user can do about it, as an imperative. */
  readonly mend?: string;
  /** 1 a claim or check does not hold, 2 bad input or usage (the default), 3 something needed is missing. */
  readonly exitCode?: ExitCode;
}

/** An error for people: what, where, expected, found, how to mend it. Everything a user can cause is thrown as one. */
export class StrataError extends Error {
  readonly code: string;
  readonly what: string;
  readonly where: string | undefined;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly mend: string | undefined;
  readonly exitCode: ExitCode;

  constructor(parts: ErrorParts) {
    super(sentence(parts));
    this.name = 'StrataError';
    this.code = parts.code;
    this.what = parts.what;
    this.where = parts.where;
    this.expected = parts.expected;
    this.found = parts.found;
    this.mend = parts.mend;
    this.exitCode = parts.exitCode ?? 2;
  }
}

function sentence({ what, where, expected, found, mend }: ErrorParts): string {
  let text = where === undefined ? what : `${where}: ${what}`;
  if (expected !== undefined) text += `; expected ${expected}`;
  if (found !== undefined) text += `${expected === undefined ? ';' : ','} found ${found}`;
  text += '.';
  if (mend !== undefined) text += ` ${mend}`;
  return text;
}

/** The names nearest to `word` by edit distance, at most two edits away or a third of its length, nearest first. */
export function didYouMean(word: string, names: Iterable<string>): string[] {
  const limit = Math.max(2, Math.floor(word.length / 3));
  return [...names]
    .map((name) => ({ name, distance: editDistance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .map(({ name }) => name)
    .slice(0, 3);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The sentence that offers near names, for the `mend` of an unknown-name error. */
export function suggestion(word: string, names: readonly string[]): string {
  const near = didYouMean(word, names);
  return near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `Known: ${names.join(', ')}.`;
}
