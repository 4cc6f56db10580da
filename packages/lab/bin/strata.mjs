#!/usr/bin/env node
// The `strata` command. The program itself is built from packages/lab/src into dist; a clone that is not built yet is told how.
import { existsSync } from 'node:fs';

const program = new URL('../dist/main.js', import.meta.url);
if (!existsSync(program)) {
  console.error('strata: this clone is not built yet. Run `npm start` or `npm run setup` in its top folder first.');
  process.exit(3);
}
await import(program.href);
