// `npm run docs`: writes the reference tables of docs/ from the code. A test holds the committed files to it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, setup } from './setup.mjs';

setup();
const { referenceTables } = await import('../packages/lab/dist/documents/tables.js');
mkdirSync(join(root, 'docs'), { recursive: true });
for (const [name, content] of referenceTables()) writeFileSync(join(root, 'docs', name), content);
