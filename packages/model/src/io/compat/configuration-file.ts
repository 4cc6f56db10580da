import { StrataError, suggestion } from '../../machine/errors.ts';
import type { CompatCacheConfig } from './cache.ts';

/** What a `.cfg` file sets (specs/io.md 1.7). */
export interface ConfigurationFile {
  readonly contextCache: CompatCacheConfig;
  readonly deviceTlb: CompatCacheConfig;
  readonly l2PageCache: CompatCacheConfig;
  readonly l3PageCache: CompatCacheConfig;
  readonly prefetch: { readonly bufferEntries: number; readonly historyDepth: number; readonly distance: number };
}

const sections = ['CC', 'IOTLB', 'L2PAGE', 'L3PAGE', 'L1PAGE', 'PREFETCH'] as const;
type Section = (typeof sections)[number];
const keys = ['size', 'assoc', 'groups', 'histlen'] as const;
type Key = (typeof keys)[number];

/**
 * Reads a configuration of the original: sections CC, IOTLB, L2PAGE, L3PAGE and PREFETCH with `size:`, `assoc:`, `groups:` and `histlen:`;
 * `//` comments. In PREFETCH, `assoc` is the SID-prediction distance. Blank lines and carriage returns are accepted; where the original
 * skips the rest of the file without a word and runs with zeros (quirk Q26), this refuses.
 * @param where the file's name, for messages
 * @throws StrataError `io.config-line` with the line, `io.config-missing`
 */
export function parseConfigurationFile(text: string, where: string): ConfigurationFile {
  const values = new Map<Section, Map<Key, number>>();
  let section: Section | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const place = `${where} line ${index + 1}`;
    if (line === '' || line.startsWith('//')) continue;
    if (!line.includes(':')) {
      section = sectionOf(line, place);
      values.set(section, new Map());
      continue;
    }
    if (section === undefined)
      throw new StrataError({
        code: 'io.config-line',
        where: place,
        what: 'a value before any section',
        expected: `a section name (${sections.join(', ')})`,
        found: line,
      });
    const [key, value] = keyAndValue(line, place);
    values.get(section)!.set(key, value);
  }
  const cache = (name: Section): CompatCacheConfig => {
    const entries = required(values, name, 'size', where);
    const ways = required(values, name, 'assoc', where);
    if (ways === 0 && entries > 0)
      throw new StrataError({
        code: 'io.config-ways',
        where: `${where} section ${name}`,
        what: `${entries} entries in zero ways`,
        expected: 'assoc of at least 1',
        mend: 'For no cache at all give size:0 with assoc:0.',
      });
    return { entries, ways, partitions: required(values, name, 'groups', where) };
  };
  return {
    contextCache: cache('CC'),
    deviceTlb: cache('IOTLB'),
    l2PageCache: cache('L2PAGE'),
    l3PageCache: cache('L3PAGE'),
    prefetch: {
      bufferEntries: required(values, 'PREFETCH', 'size', where),
      historyDepth: required(values, 'PREFETCH', 'histlen', where),
      distance: required(values, 'PREFETCH', 'assoc', where),
    },
  };
}

function sectionOf(line: string, where: string): Section {
  const section = sections.find((name) => name === line);
  if (section === undefined)
    throw new StrataError({
      code: 'io.config-line',
      where,
      what: `unknown section ${line}`,
      mend: suggestion(line, sections),
    });
  return section;
}

function keyAndValue(line: string, where: string): readonly [Key, number] {
  const [name, value] = line.split(':', 2).map((part) => part.trim()) as [string, string];
  const key = keys.find((known) => known === name);
  if (key === undefined) {
    const renamed =
      name === 'epg' ? 'This key was removed from the original; give groups:N instead.' : suggestion(name, keys);
    throw new StrataError({ code: 'io.config-line', where, what: `unknown key ${name}`, mend: renamed });
  }
  if (!/^[0-9]{1,9}$/.test(value))
    throw new StrataError({
      code: 'io.config-line',
      where,
      what: `wrong value of ${key}`,
      expected: 'a whole number from 0 to 999999999',
      found: value === '' ? 'nothing' : value,
    });
  return [key, Number(value)];
}

function required(
  values: ReadonlyMap<Section, ReadonlyMap<Key, number>>,
  section: Section,
  key: Key,
  where: string,
): number {
  const value = values.get(section)?.get(key);
  if (value === undefined)
    throw new StrataError({
      code: 'io.config-missing',
      where,
      what: `${section} has no ${key}`,
      mend: `Add ${key}:N below the line ${section}; the original would take 0 and crash (quirk Q26).`,
    });
  return value;
}
