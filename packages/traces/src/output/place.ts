import { statSync } from 'node:fs';
import { StrataError } from '@strata/model/machine';

/**
 * Outputs grow under a temporary name and are renamed when complete. A rename would take the place of a device or a pipe instead of going
 * through it, and fails on a folder only after all the work: this refuses them before.
 * @throws StrataError `output.unwritable`
 */
export function refuseNonFile(path: string): void {
  refuseDevice(path);
  refuseFolder(path);
}

/** @throws StrataError `output.unwritable` where something has the name that is neither a file nor a folder */
export function refuseDevice(path: string): void {
  const there = kindOf(path);
  if (there === undefined || there.isFile() || there.isDirectory()) return;
  throw systemRefusal(path, 'ENXIO');
}

/** @throws StrataError `output.unwritable` where a folder has the name that a file is to get */
export function refuseFolder(path: string): void {
  if (kindOf(path)?.isDirectory() === true) throw systemRefusal(path, 'EISDIR');
}

/** Nothing where the path cannot be looked at: whoever opens it says why. */
function kindOf(path: string): ReturnType<typeof statSync> | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function systemRefusal(path: string, code: string): unknown {
  return unwritable(path, Object.assign(new Error(), { code, syscall: 'open' }));
}

/** What the system said about writing `path`, for people (`output.unwritable`); any other error as it is. */
export function unwritable(path: string, error: unknown): unknown {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new StrataError({
    code: 'output.unwritable',
    what: `cannot write: ${reasons[code] ?? message}`,
    where: path,
    mend: 'Give another place for the output.',
  });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'its folder does not exist',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  ENOTEMPTY: 'the folder is there already',
  ENXIO: 'it is a device or a pipe; a file is expected, which appears when it is complete',
  EEXIST: 'it is there already and is no folder',
};
