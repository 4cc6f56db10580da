import { stat } from 'node:fs/promises';
import { StrataError } from '@strata/model/machine';

/** The path that stands for standard input. */
export const standardInput = '-';

/** @throws StrataError `trace.unreadable` */
export async function readable(path: string): Promise<{ size: number; isDirectory: boolean; isFile: boolean }> {
  if (path === standardInput) return { size: 0, isDirectory: false, isFile: false };
  try {
    const info = await stat(path);
    return { size: info.size, isDirectory: info.isDirectory(), isFile: info.isFile() };
  } catch (error) {
    throw unreadable(path, error);
  }
}

export function unreadable(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  const what: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'this is a directory',
    ENOTDIR: 'a part of this path is not a directory',
    EMFILE: 'too many open files',
  };
  if (typeof code !== 'string' || error instanceof StrataError) return error;
  return new StrataError({
    code: 'trace.unreadable',
    what: what[code] ?? `cannot be read (${code})`,
    where: path,
    ...(code === 'EMFILE' ? { mend: 'Raise the limit with ulimit -n.' } : {}),
  });
}

/** The refusal of a pipe by formats that are not read from front to end. */
export function needsFile(path: string, what: string): StrataError {
  return new StrataError({
    code: 'trace.not-seekable',
    what: `${what} cannot be read from a pipe, since it is read from its end`,
    where: path,
    mend: 'Save it as a file first.',
  });
}
