// `npm start`: sets the clone up, then reproduces from the recordings in the repository what Strata covers so far.
import { join } from 'node:path';
import { root, run, setup } from './setup.mjs';

setup();
run(process.execPath, [join(root, 'packages/lab/bin/strata.mjs'), 'reproduce', ...process.argv.slice(2)]);
