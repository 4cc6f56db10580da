import { StrataError, suggestion } from './errors.ts';

export interface Named {
  readonly name: string;
  readonly summary: string;
}

/** What is registered by name: designs, policies, presets, formats, generators. Iterates in the order of registration. */
export interface Registry<T extends Named> extends Iterable<T> {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** @throws StrataError `registry.unknown-name` with "did you mean" */
  get(name: string): T;
}

/**
 * @param noun what the entries are called in messages, such as `design`
 * @throws Error when two entries share a name (a programming error, not a user's)
 */
export function createRegistry<T extends Named>(noun: string, entries: readonly T[]): Registry<T> {
  const byName = new Map<string, T>();
  for (const entry of entries) {
    if (byName.has(entry.name)) throw new Error(`two ${noun}s are named ${entry.name}`);
    byName.set(entry.name, entry);
  }
  return {
    names: [...byName.keys()],
    has: (name) => byName.has(name),
    get(name) {
      const entry = byName.get(name);
      if (entry === undefined)
        throw new StrataError({
          code: 'registry.unknown-name',
          what: `unknown ${noun} ${name}`,
          mend: suggestion(name, [...byName.keys()]),
        });
      return entry;
    },
    [Symbol.iterator]: () => byName.values(),
  };
}
