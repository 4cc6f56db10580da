/** What one line of `perf stat` counts. */
export interface Count {
  readonly event: string;
  /** What stands for the number: digits, or why there are none. */
  readonly text: string;
  readonly form: 'text' | 'csv' | 'json';
  /** The line is about a part of the run (-I). */
  readonly isInterval: boolean;
}

const separators = [',', ';', '\t', '|'];

/** The count of a wanted event in a line of `perf stat`; undefined on any other line. */
export function countIn(line: string, wanted: ReadonlySet<string>): Count | undefined {
  if (/^\s*#/.test(line)) return undefined;
  if (/^\s*\[?\s*\{/.test(line)) return countInJson(line, wanted);
  return countInSeparated(line, wanted) ?? countInText(line, wanted);
}

/** An object per line; not a whole document, so it is read field by field. */
function countInJson(line: string, wanted: ReadonlySet<string>): Count | undefined {
  const field = (name: string) => new RegExp(`"${name}"\\s*:\\s*"([^"]*)"`).exec(line)?.[1];
  const event = eventName(field('event') ?? '', wanted);
  const text = field('counter-value');
  if (event === undefined || text === undefined) return undefined;
  return { event, text, form: 'json', isInterval: /"interval"\s*:/.test(line) };
}

/** value, unit, event, ...; before them a time (-I), a processor (-A) or both. */
function countInSeparated(line: string, wanted: ReadonlySet<string>): Count | undefined {
  for (const separator of separators) {
    const fields = line.split(separator).map((field) => field.trim());
    const at = fields.findIndex((field) => eventName(field, wanted) !== undefined);
    if (at < 2) continue;
    const event = eventName(fields[at]!, wanted)!;
    return { event, text: fields[at - 2]!, form: 'csv', isInterval: at > 2 && isTime(fields[0]!) };
  }
  return undefined;
}

function countInText(line: string, wanted: ReadonlySet<string>): Count | undefined {
  // Remarks name other events: `# 12.3% frontend cycles idle`.
  const text = line.replace(/#.*$/, '');
  const words = text.trim().split(/\s+/);
  const at = words.findIndex((word) => eventName(word, wanted) !== undefined);
  if (at < 1) return undefined;
  const event = eventName(words[at]!, wanted)!;
  const before = text.slice(0, text.indexOf(words[at]!)).trim();
  const not = /<not (counted|supported)>$/.exec(before);
  // A time, a processor and a count stand apart by more than one blank; some languages group thousands by one.
  const count = not?.[0] ?? before.split(/\s{2,}/).at(-1)!;
  return { event, text: count, form: 'text', isInterval: isTime(words[0]!) && before !== count };
}

/** Seconds since the start, with nine decimals. */
function isTime(text: string): boolean {
  return /^\d+[.,]\d{9}$/.test(text);
}

/** `cpu_core/dtlb_load_misses.walk_pending/`, `dtlb_load_misses.walk_pending:u` and the plain name are one event. */
function eventName(text: string, wanted: ReadonlySet<string>): string | undefined {
  const name = /^(?:\w+\/)?([\w.-]+?)(?:\/\w*)?(?::\w+)?$/.exec(text)?.[1]?.toLowerCase();
  return name !== undefined && wanted.has(name) ? name : undefined;
}
