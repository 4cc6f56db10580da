import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { refuseDevice, unwritable } from '@strata/traces/output';
import { temporaries } from './temporaries.ts';

/** A file or folder to be: write below `path`, then `commit()`; or `discard()`. */
export interface Pending {
  readonly path: string;
  /** Gives it its final name. A file that is there is replaced; a folder that is there is an error of the caller. */
  commit(): void;
  discard(): void;
}

export function pendingFile(target: string): Pending {
  return pending(target, () => {});
}

export function pendingFolder(target: string): Pending {
  return pending(target, (path) => mkdirSync(path));
}

function pending(target: string, create: (path: string) => void): Pending {
  const final = resolve(target);
  const path = join(dirname(final), `.${basename(final)}.${randomBytes(4).toString('hex')}.tmp`);
  orUnwritable(target, () => {
    refuseDevice(final);
    createFolder(dirname(final));
    temporaries.add(path);
    create(path);
  });
  return {
    path,
    commit() {
      orUnwritable(target, () => renameSync(path, final));
      temporaries.delete(path);
    },
    discard() {
      rmSync(path, { recursive: true, force: true });
      temporaries.delete(path);
    },
  };
}

/** With its parents. Node's own recursive mkdir never returns where a file system answers ENOENT for good, such as below /proc. */
function createFolder(path: string): void {
  if (isFolder(path)) return;
  createFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!isFolder(path)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Writes a whole small file atomically. @throws StrataError `output.unwritable` */
export function writeFileAtomically(target: string, content: string | Uint8Array): void {
  const file = pendingFile(target);
  try {
    orUnwritable(target, () => writeFileSync(file.path, content));
    file.commit();
  } catch (error) {
    file.discard();
    throw error;
  }
}

function orUnwritable(target: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw unwritable(target, error);
  }
}
