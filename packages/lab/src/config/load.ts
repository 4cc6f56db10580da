import { readFileSync } from 'node:fs';
import { dirname, resolve as resolvePath } from 'node:path';
import { StrataError } from '@strata/model/machine';

/** A configuration before it is checked: what YAML and JSON can hold. */
export interface Configuration {
  readonly [key: string]: unknown;
}

/**
 * Reads a YAML or JSON file with its `extends` (a path, or several, relative to the file; later ones and the file itself win) merged in.
 * @throws StrataError `config.unreadable`, `config.syntax` with the line, `config.cycle`
 */
export async function loadConfiguration(path: string): Promise<Configuration> {
  return load(resolvePath(path), path, []);
}

async function load(file: string, shown: string, parents: readonly string[]): Promise<Configuration> {
  if (parents.includes(file))
    throw new StrataError({
      code: 'config.cycle',
      what: 'extends itself',
      where: shown,
      found: [...parents, file].join(' -> '),
    });
  const { extends: bases, ...own } = await parseFile(file, shown);
  let merged: Configuration = {};
  for (const base of basesOf(bases, shown)) {
    if (!looksLikePath(base)) {
      // The name of a preset: what the configuration is for knows it.
      merged = merge(merged, { extends: base });
      continue;
    }
    merged = merge(merged, await load(resolvePath(dirname(file), base), base, [...parents, file]));
  }
  return merge(merged, own);
}

function looksLikePath(name: string): boolean {
  return /[/\\]|\.(ya?ml|json)$/i.test(name);
}

function basesOf(bases: unknown, where: string): string[] {
  if (bases === undefined) return [];
  const list = Array.isArray(bases) ? bases : [bases];
  if (!list.every((base) => typeof base === 'string'))
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'wrong type',
      where: `${where}: extends`,
      expected: 'a path or a preset, or a list of them',
      found: JSON.stringify(bases),
    });
  return list;
}

async function parseFile(file: string, shown: string): Promise<Configuration> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StrataError({
      code: 'config.unreadable',
      what: code === 'ENOENT' ? 'no such file' : `cannot be read: ${message}`,
      where: shown,
      mend: 'Check the path; presets are listed by strata config presets.',
    });
  }
  return parseConfiguration(text, shown);
}

/** The plain value of a document; what its aliases do wrong (no anchor, too many) shows only here. */
function plain(
  document: { toJS(options: { maxAliasCount: number }): unknown },
  otherwise: (reason: string) => unknown,
) {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return otherwise(error instanceof Error ? error.message : String(error));
  }
}

/** @throws StrataError `config.syntax` with line and column, `config.wrong-type` when it is no mapping */
export async function parseConfiguration(text: string, where: string): Promise<Configuration> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { uniqueKeys: true });
  const error = document.errors[0];
  if (error !== undefined) {
    const line = error.linePos?.[0];
    throw new StrataError({
      code: 'config.syntax',
      what: (error.message.split('\n')[0] ?? 'not YAML').replace(/ at line \d+, column \d+:?$/, ''),
      where: line === undefined ? where : `${where}:${line.line}:${line.col}`,
      expected: 'YAML or JSON',
    });
  }
  const value = plain(document, (reason) => {
    throw new StrataError({ code: 'config.syntax', what: reason, where, expected: 'YAML or JSON' });
  });
  if (value === null || value === undefined) return {};
  if (!isMapping(value))
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'wrong type',
      where,
      expected: 'a mapping of keys to values',
      found: Array.isArray(value) ? 'a list' : typeof value,
    });
  return value;
}

export function isMapping(value: unknown): value is Configuration {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `over` wins; mappings are merged key by key, everything else is replaced. */
export function merge(base: Configuration, over: Configuration): Configuration {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    set(merged, key, isMapping(below) && isMapping(value) ? merge(below, value) : value);
  }
  return merged;
}

/** Plain assignment would let `__proto__` from a file reach the prototype. */
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/**
 * `a.b=value` as a nested configuration; the value is read as YAML does: 8, true, radix, [a, b].
 * @param fullPath what a path stands for; may throw on one that stands for nothing
 * @throws StrataError `usage.set`
 */
export async function parseAssignment(
  text: string,
  { option = '--set', fullPath = (path: string): string => path } = {},
): Promise<Configuration> {
  const at = text.indexOf('=');
  const path = text.slice(0, Math.max(0, at)).trim();
  if (at <= 0 || !/^[\w-]+(\.[\w-]+)*$/.test(path))
    throw new StrataError({
      code: 'usage.set',
      what: 'not an assignment',
      where: option,
      expected: 'path=value such as tlb.l2.ways=8',
      found: text,
    });
  return nest(fullPath(path), await parseScalar(text.slice(at + 1)));
}

export function nest(path: string, value: unknown): Configuration {
  return path
    .split('.')
    .reverse()
    .reduce<unknown>((inner, key) => ({ [key]: inner }), value) as Configuration;
}

/** A value as YAML reads it; text that is no YAML stays text. */
export async function parseScalar(text: string): Promise<unknown> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text);
  return document.errors.length > 0 ? text.trim() : (plain(document, () => text.trim()) ?? '');
}
