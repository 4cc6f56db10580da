import { stat } from 'node:fs/promises';
import { StrataError } from '@strata/model/machine';

/** @throws StrataError `trace.unreadable` */
export async function readable(path: string): Promise<{ size: number; isDirectory: boolean }> {
  try {
    const info = await stat(path);
    return { size: info.size, isDirectory: info.isDirectory() };
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
