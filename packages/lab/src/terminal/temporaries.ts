import { rmSync } from 'node:fs';

/**
 * Outputs are written under a temporary name in their own folder and renamed when complete, so nobody ever sees half a result.
 * What is still temporary when the process ends, however it ends (a kill excepted), is removed.
 */
export const temporaries = new Set<string>();

/** Removes every temporary file and folder of this process. For the second Ctrl-C and for exits. */
export function removeTemporaries(): void {
  for (const path of temporaries) rmSync(path, { recursive: true, force: true });
  temporaries.clear();
}
process.on('exit', removeTemporaries);
