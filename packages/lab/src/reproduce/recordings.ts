import { fileURLToPath } from 'node:url';

/** A trace of the main job. */
export interface Recording {
  readonly name: string;
  readonly path: string;
  /** In words, for tables and captions. */
  readonly what: string;
}

// The same relative place from src, from dist and from an installed package.
const fixture = (name: string) => fileURLToPath(new URL(`../../../traces/fixtures/${name}`, import.meta.url));

/** Real recordings, and GUPS because the publications use it and no recording of gigabytes fits a repository. */
export const recordings: readonly Recording[] = [
  {
    name: 'chase-system',
    path: fixture('plugin-system-chase-400k-records.bin.zst'),
    what: 'pointer chase over 100,000 nodes, recorded in a whole system',
  },
  {
    name: 'chase-user',
    path: fixture('plugin-user-chase-1.4M-records.bin.zst'),
    what: 'pointer chase over 20,000 nodes, recorded in user mode',
  },
  {
    name: 'chase-lackey',
    path: fixture('lackey-chase-200k-accesses.lk.zst'),
    what: 'end of the same program under valgrind, instruction fetches included',
  },
  {
    name: 'gups-1GiB',
    path: 'gen:gups,size=1GiB,accesses=1000000',
    what: 'GUPS over 1 GiB, generated (two references per update)',
  },
];
