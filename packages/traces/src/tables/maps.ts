import { StrataError, type Vma } from '@strata/model/machine';
import { quoted } from './lines.ts';

const linePattern = /^(?:# ?)?([0-9a-f]{1,13})000-([0-9a-f]{1,13})000 [-rwxsp]{4} /;

/** VMA of a line as /proc/PID/maps has it, with or without a leading `#`; undefined when it is none. */
export function readMapsLine(text: string): Vma | undefined {
  const match = linePattern.exec(text);
  if (match === null) return undefined;
  return { start: Number.parseInt(match[1]!, 16), end: Number.parseInt(match[2]!, 16) };
}

/**
 * The VMAs of a process out of the text of its /proc/PID/maps, for an operating-system model that need not infer them.
 * @param path where the text is from, for messages
 * @throws StrataError `tables.malformed-line`
 */
export function parseMaps(text: string, path: string): Vma[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '') return [];
    const vma = readMapsLine(line);
    if (vma !== undefined && vma.start < vma.end) return [vma];
    throw new StrataError({
      code: 'tables.malformed-line',
      where: `${path}, line ${index + 1}`,
      what: 'this is no line of /proc/PID/maps',
      expected: 'start-end in hexadecimal, permissions, offset, device, inode, name',
      found: quoted(line),
    });
  });
}
