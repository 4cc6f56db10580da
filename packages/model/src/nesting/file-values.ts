import { StrataError } from '../machine/errors.ts';

// Values of a profile file, checked one by one.

export function entriesOf(given: unknown, where: string): [string, unknown][] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'wrong type',
      where,
      expected: 'a map',
      found: JSON.stringify(given) ?? String(given),
    });
  return Object.entries(given);
}

export function amount(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'wrong type',
      where,
      expected: 'a finite number of at least 0',
      found: typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value)),
    });
  return value;
}

export function wrong(where: string, what: string, mend: string): StrataError {
  return new StrataError({ code: 'nest.profile', what, where, mend });
}

export function wordsOf(given: unknown, otherwise: readonly string[], where: string): readonly string[] {
  if (given === undefined) return otherwise;
  if (!Array.isArray(given) || given.some((word) => typeof word !== 'string'))
    throw wrong(where, 'not a list of names', 'Write `[S, N]`.');
  return given;
}

/** Words that a file may use for kinds of the VMX instructions, as section 4.1 does. */
const kindAliases: Readonly<Record<string, string>> = {
  vm: 'vmread',
  vmwrite: 'vmread',
  ptr: 'vmptrld',
  inv: 'invept',
};
export const kindName = (word: string) =>
  Object.hasOwn(kindAliases, word.toLowerCase()) ? kindAliases[word.toLowerCase()]! : word;
