import { amount, entriesOf, kindName, wrong } from './file-values.ts';
import { type Basis, bases, constantNames, type FitPoint, type KnownErrors, type Profile } from './profile.ts';

// What a profile file says of its own figures: where they come from and how far they err.

type Fields = Readonly<Record<string, unknown>>;

export const isConstant = (word: string) => constantNames.some((name) => name === word);

/** Where the constants of no kind come from: as the file says; assumed where it gives one and says nothing; else inherited. */
export function constantsOf(fields: Fields, base: Profile | undefined, where: string): Profile['constants'] {
  const said = new Map(entriesOf(fields.basis ?? {}, `${where}: basis`));
  return Object.fromEntries(
    constantNames.flatMap((name): [string, Basis][] => {
      if (said.has(name)) return [[name, basisWord(said.get(name), `${where}: basis.${name}`)]];
      const inherited = fields[name] === undefined ? base?.constants[name] : 'assumed';
      return inherited === undefined ? [] : [[name, inherited]];
    }),
  );
}

export function basisWord(given: unknown, where: string): Basis {
  const basis = bases.find((known) => known === given);
  if (basis === undefined)
    throw wrong(where, `no basis: ${JSON.stringify(given)}`, `Write one of ${bases.join(', ')}.`);
  return basis;
}

export function fitPointsOf(given: unknown, where: string): readonly FitPoint[] {
  if (given === undefined) return [];
  const path = `${where}: fittedTo`;
  if (!Array.isArray(given)) throw wrong(path, 'not a list of costs', 'Write `[{ level: 1, kind: hypercall }]`.');
  return given.map((point, index) => {
    const { level, kind } = Object.fromEntries(entriesOf(point, `${path}[${index}]`));
    if (typeof kind !== 'string' || typeof level !== 'number' || !Number.isInteger(level) || level < 1)
      throw wrong(`${path}[${index}]`, 'not a level and a kind', 'Write `{ level: 1, kind: hypercall }`.');
    return { level, kind: kindName(kind) };
  });
}

export function knownErrorsOf(fields: Fields, where: string): KnownErrors {
  return {
    byLevel: errorsOf(fields.errors, `${where}: errors`) ?? guessedErrors,
    byKind: Object.fromEntries(
      entriesOf(fields.errorsByKind ?? {}, `${where}: errorsByKind`).map(([kind, shares]) => [
        kindName(kind),
        errorsOf(shares ?? [], `${where}: errorsByKind.${kind}`) ?? guessedErrors,
      ]),
    ),
    assumedKinds: amount(fields.errorOfAssumed ?? 0.4, `${where}: errorOfAssumed`),
  };
}

export function deepestOf(given: unknown, where: string): Pick<Profile, 'deepest'> {
  if (given === undefined) return {};
  const { level, why } = Object.fromEntries(entriesOf(given, `${where}: deepest`));
  if (typeof level !== 'number' || !Number.isInteger(level) || level < 1 || typeof why !== 'string')
    throw wrong(`${where}: deepest`, 'not a level and its reason', 'Write `{ level: 2, why: the reason }`.');
  return { deepest: { level, why } };
}

/** Half-widths of the bands where a file gives none. */
const guessedErrors: readonly number[] = [0.1, 0.3, 0.4];

function errorsOf(given: unknown, where: string): readonly number[] | undefined {
  if (given === undefined) return undefined;
  if (!Array.isArray(given) || given.length === 0)
    throw wrong(where, 'not a list of shares by level', 'Write `[0.03, 0.1, 0.26]`.');
  return given.map((share, index) => amount(share, `${where}[${index}]`));
}
