// `node scripts/wasm.mjs [--check]`: builds the WebAssembly modules of the packages from their text (*.wat) into a TypeScript file beside each, so that
// they load without a file or network access. `--check` only says whether the files are what the text gives.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import wabt from 'wabt';
import { root } from './setup.mjs';

const check = process.argv.includes('--check');
const { parseWat } = await wabt();
const texts = readdirSync(join(root, 'packages'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.wat') && !entry.parentPath.includes('node_modules'))
  .map((entry) => join(entry.parentPath, entry.name));
for (const text of texts) {
  const module = parseWat(relative(root, text), readFileSync(text, 'utf8'), { threads: true });
  const { buffer } = module.toBinary({ write_debug_names: false });
  // Compiling says what is wrong with it; wabt's own check does not know shared memories.
  new WebAssembly.Module(buffer);
  const target = text.replace(/\.wat$/, '-wasm-code.ts');
  const source = `/** Made from ${text.split('/').at(-1)} by scripts/wasm.mjs: a WebAssembly module in hexadecimal digits. */\nexport const wasmCode =\n  '${Buffer.from(buffer).toString('hex')}';\n`;
  if (!check) writeFileSync(target, source);
  else if (readFileSync(target, 'utf8') !== source) {
    console.error(
      `${relative(root, target)} is not what ${relative(root, text)} gives: run \`node scripts/wasm.mjs\` and commit the result.`,
    );
    process.exitCode = 1;
  }
}
