import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { StrataError } from '@strata/model/machine';
import { version } from '../version.ts';

/** A file as the run saw it. */
export interface FileRecord {
  /** Inputs: as given on the command line. Outputs: relative to the run folder. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface InputRecord extends FileRecord {
  /** `trace`, `tables`, `hostTables`, `perf`, `machine`. */
  readonly role: string;
}

/** What a run was made of: enough to repeat it, and to tell whether a repetition must give the same. */
export interface Manifest {
  readonly schemaVersion: 1;
  readonly kind: 'strata-run';
  /** Name in the registry of studies. */
  readonly study: string;
  /** The arguments as typed, without the program. */
  readonly command: readonly string[];
  /** Resolved: every default filled in. `strata run --from` starts from it. */
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly versions: { readonly strata: string; readonly node: string };
  readonly host: {
    readonly platform: string;
    readonly architecture: string;
    readonly kernel: string;
    readonly processor: string;
    readonly cores: number;
    readonly memoryBytes: number;
  };
  readonly inputs: readonly InputRecord[];
  /** Every file of the folder but this one. */
  readonly outputs: readonly FileRecord[];
  readonly startedAt: string;
  readonly seconds: number;
  readonly exitStatus: number;
  /** Stopped by Ctrl-C: what is here is complete as far as it goes. */
  readonly interrupted: boolean;
}

export function hostRecord(): Manifest['host'] {
  return {
    platform: platform(),
    architecture: arch(),
    kernel: release(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
  };
}

export function versionRecord(): Manifest['versions'] {
  return { strata: version(), node: process.versions.node };
}

/** Hashes a file in bounded memory; a folder by the names and contents of its files. @throws StrataError of `readableStat` */
export function recordFile(path: string): FileRecord {
  return orUnreadable(path, () => {
    const info = readableStat(path);
    return info.isDirectory() ? recordFolder(path) : recordPlainFile(path);
  });
}

function notRepeatable(path: string): StrataError {
  return new StrataError({
    code: 'input.not-repeatable',
    what: 'a run folder cannot be made from a pipe: its input could not be read again',
    where: path,
    mend: 'Save the input as a file first, or leave --out out.',
  });
}

/** Of an input that a run folder can name. @throws StrataError `input.unreadable`, `input.not-repeatable` on a pipe */
export function readableStat(path: string): Stats {
  return orUnreadable(path, () => {
    if (path === '-') throw notRepeatable(path);
    accessSync(path, constants.R_OK);
    const info = statSync(path);
    if (!info.isFile() && !info.isDirectory()) throw notRepeatable(path);
    return info;
  });
}

function orUnreadable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof StrataError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StrataError({
      code: 'input.unreadable',
      what: code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : `cannot be read: ${message}`,
      where: path,
      mend: 'Check the path.',
    });
  }
}

function recordPlainFile(path: string): FileRecord {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(1 << 20);
  const file = openSync(path, 'r');
  let bytes = 0;
  try {
    for (;;) {
      const read = readSync(file, buffer, 0, buffer.length, null);
      if (read === 0) break;
      hash.update(buffer.subarray(0, read));
      bytes += read;
    }
  } finally {
    closeSync(file);
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

function recordFolder(path: string): FileRecord {
  const files = filesBelow(path).map((file) => ({ ...recordPlainFile(join(path, file)), path: file }));
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file.path}\0${file.sha256}\0`);
  return { path, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), sha256: hash.digest('hex') };
}

/** Paths relative to the folder, sorted, forward slashes. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/** @throws StrataError `manifest.*` when the file is not a manifest of a run */
export function readManifest(path: string): Manifest {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new StrataError({
      code: 'manifest.unreadable',
      what: 'no manifest',
      where: path,
      expected: 'the manifest.json of a run folder',
      mend: 'Run folders are written by commands with --out, and by strata reproduce.',
    });
  }
  const manifest = parsed(text);
  if (!isManifest(manifest))
    throw new StrataError({
      code: 'manifest.wrong',
      what: 'not the manifest of a run',
      where: path,
      expected: 'a JSON object with kind "strata-run" and schemaVersion 1',
    });
  return manifest;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, schemaVersion, study, configuration, inputs, outputs } = value as Partial<Manifest>;
  return (
    kind === 'strata-run' &&
    schemaVersion === 1 &&
    typeof study === 'string' &&
    typeof configuration === 'object' &&
    configuration !== null &&
    Array.isArray(inputs) &&
    Array.isArray(outputs)
  );
}
