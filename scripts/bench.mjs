// `npm run bench [-- --smoke] [name ...]`: sets the clone up and runs every `*.bench.ts` beside the code (or those whose path has one of
// the names), each in its own process. `--smoke` asks them for their shortest meaningful run.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { root, run, setup } from './setup.mjs';

setup();
const { build } = await import('esbuild');
const smoke = process.argv.includes('--smoke');
const names = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const benches = readdirSync(join(root, 'packages'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.bench.ts') && !entry.parentPath.includes('node_modules'))
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((file) => names.length === 0 || names.some((name) => relative(root, file).includes(name)))
  .sort();
const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'));
try {
  for (const [index, file] of benches.entries()) {
    const outfile = join(folder, `${index}.mjs`);
    await build({
      entryPoints: [file],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      conditions: ['strata-source'],
      packages: 'bundle',
      external: ['@duckdb/node-api', '@resvg/resvg-js'],
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
      logLevel: 'error',
    });
    console.log(`# ${relative(root, file)}`);
    run(process.execPath, ['--expose-gc', outfile], { env: { ...process.env, STRATA_BENCH_SMOKE: smoke ? '1' : '' } });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
