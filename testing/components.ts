import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The top folder of the clone. */
export const cloneRoot: string = fileURLToPath(new URL('..', import.meta.url));

/** The built `strata` command; `npm test` builds before it runs the tests. */
export const strataCommand: string = fileURLToPath(new URL('../packages/lab/bin/strata.mjs', import.meta.url));

const referenceFolder = fileURLToPath(new URL('../../shared/reference/', import.meta.url));

/** Path of a reference run or recording beside the clone (`translation/nat.none.log`). Guard the test with `hasReference`. */
export function reference(path: string): string {
  return `${referenceFolder}${path}`;
}

/** Whether the reference runs lie beside the clone. They are not part of it, so tests that read them skip where they are absent. */
export const hasReference: boolean = existsSync(referenceFolder);

/** For `describe.skipIf(!hasReference)` titles. */
export const referenceReason = hasReference ? '' : ' (skipped: no reference runs beside the clone)';

/**
 * Whether a program that a test needs is on PATH. Where everything must be tested (STRATA_REQUIRE_ALL, as in continuous integration)
 * a missing one is a failure, not a skip.
 */
export function hasProgram(name: string): boolean {
  const present = spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status === 0;
  if (!present && process.env.STRATA_REQUIRE_ALL)
    throw new Error(`${name} is not installed, and no test may be skipped for want of it here`);
  return present;
}
