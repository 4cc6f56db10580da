import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../reading.case.ts';
import { importExits } from './import.ts';

/** What the tests of importers share: the recordings of the repository, and files made on the spot. */
export const recorded = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

export type Imported = Awaited<ReturnType<typeof importExits>>;

const folder = temporaryFolder();
let files = 0;

export function fileOf(content: string | Uint8Array): string {
  return folder.file(`recording-${files++}`, content);
}

export function imported(content: string | Uint8Array, options: Parameters<typeof importExits>[1] = {}) {
  return importExits(fileOf(content), options);
}

export const counts = ({ reasons }: Imported) =>
  Object.fromEntries([...reasons].map(([name, { count }]) => [name, count]));
