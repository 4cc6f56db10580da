// `node scripts/wasm.mjs [--check]`: builds the WebAssembly modules of the packages from their text (*.wat) into a TypeScript file beside each, so that
// they load without a file or network access. `--check` only says whether the files are what the text gives. A text with the word @inline is
// compiled with its functions put into one another: V8 calls every WebAssembly function there is, and a kernel of small ones spends a third
// of its time on that.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import binaryen from 'binaryen';
import wabt from 'wabt';
import { root } from './setup.mjs';

const check = process.argv.includes('--check');
const { parseWat } = await wabt();
const texts = readdirSync(join(root, 'packages'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.wat') && !entry.parentPath.includes('node_modules'))
  .map((entry) => join(entry.parentPath, entry.name));

/** As readable text says it, or with `inline` as fast as binaryen makes it. */
function inlined(bytes) {
  binaryen.setOptimizeLevel(4);
  binaryen.setShrinkLevel(0);
  binaryen.setAlwaysInlineMaxSize(800);
  binaryen.setFlexibleInlineMaxSize(4000);
  binaryen.setAllowInliningFunctionsWithLoops(true);
  const module = binaryen.readBinary(bytes);
  module.setFeatures(binaryen.Features.All);
  module.optimize();
  module.optimize();
  return module.emitBinary();
}

for (const text of texts) {
  const source = readFileSync(text, 'utf8');
  const module = parseWat(relative(root, text), source, { threads: true });
  const { buffer: plain } = module.toBinary({ write_debug_names: false });
  const buffer = source.includes('@inline') ? inlined(plain) : plain;
  // Compiling says what is wrong with it; wabt's own check does not know shared memories.
  new WebAssembly.Module(buffer);
  const target = text.replace(/\.wat$/, '-wasm-code.ts');
  const code = `/** Made from ${text.split('/').at(-1)} by scripts/wasm.mjs: a WebAssembly module in hexadecimal digits. */\nexport const wasmCode =\n  '${Buffer.from(buffer).toString('hex')}';\n`;
  if (!check) writeFileSync(target, code);
  else if (readFileSync(target, 'utf8') !== code) {
    console.error(
      `${relative(root, target)} is not what ${relative(root, text)} gives: run \`node scripts/wasm.mjs\` and commit the result.`,
    );
    process.exitCode = 1;
  }
}
