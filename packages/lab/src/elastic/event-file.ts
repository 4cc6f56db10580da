import { type MemoryEvent, memoryEventKinds, StrataError } from '@strata/model/machine';
import { readText } from '@strata/traces/nesting';

/** Columns of a file of events. */
export const eventColumns = ['micros', 'kind', 'frame', 'pages'] as const;

/**
 * Reads what `strata elastic events --csv` writes.
 * @throws StrataError `elastic.bad-events` with the line, `trace.*`
 */
export async function readEvents(path: string): Promise<readonly MemoryEvent[]> {
  const lines = (await readText(path)).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const header = eventColumns.join(',');
  if (lines[0] !== header) throw badEvents(path, 1, `the header ${header}`, lines[0] ?? 'nothing');
  let before = 0;
  return lines.slice(1).map((line, index) => {
    const event = eventOf(line);
    if (event === undefined || event.micros < before)
      throw badEvents(path, index + 2, `${header}, times that never fall, kinds ${memoryEventKinds.join(', ')}`, line);
    before = event.micros;
    return event;
  });
}

const largestFrame = 2 ** 36;

function eventOf(line: string): MemoryEvent | undefined {
  const [micros, name, frame, pages, ...rest] = line.split(',');
  const kind = memoryEventKinds.find((known) => known === name);
  const event = { micros: Number(micros || 'none'), frame: Number(frame || 'none'), pages: Number(pages || 'none') };
  const isSound =
    event.micros >= 0 &&
    event.micros < Number.MAX_SAFE_INTEGER &&
    Number.isInteger(event.frame) &&
    event.frame >= 0 &&
    event.frame < largestFrame &&
    (event.pages === 1 || event.pages === 512);
  return kind === undefined || rest.length > 0 || !isSound ? undefined : { ...event, kind };
}

function badEvents(path: string, line: number, expected: string, found: string): StrataError {
  return new StrataError({
    code: 'elastic.bad-events',
    what: 'not an event of memory',
    where: `${path}, line ${line}`,
    expected,
    found: found.slice(0, 80),
    mend: 'Write the file with strata elastic events --csv.',
  });
}
