// `node scripts/wasm.mjs [--check]`: builds the WebAssembly modules of the packages from their text (*.wat) into a TypeScript file beside each, so that
// they load without a file or network access. `--check` only says whether the files are what the text gives. A text with the word @inline is
// compiled with its functions put into one another: V8 calls every WebAssembly function there is, and a kernel of small ones spends a third
// of its time on that. What a text declares as @constant (the words of an address, or exported globals) becomes numbers in the code that
// `wasmModuleWith` fills in before it compiles, and the file says where they are.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import binaryen from 'binaryen';
import wabt from 'wabt';
import { root } from './setup.mjs';

const check = process.argv.includes('--check');
const { parseWat, readWasm } = await wabt();
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

/** Words by their addresses, and globals by their names. */
function constantsIn(source) {
  const words = new Set();
  const globals = new Set();
  for (const [, declared] of source.matchAll(/^;; @constant (.*)$/gm)) {
    const [offsets, blocks] = declared.split(' of ');
    if (blocks === undefined) for (const name of declared.split(' ')) globals.add(name);
    else for (const block of blocks.split(' ')) for (const offset of offsets.split(' ')) words.add(+block + +offset);
  }
  return { words, globals };
}

const firstPlaceholder = 0x5a000000;

/** Puts a number of five bytes, each another, in the place of what is constant; and says where it lies in the code. */
function withPlaceholders(bytes, { words, globals }) {
  const text = readWasm(bytes, {}).toText({ foldExprs: false, inlineExport: false });
  const exported = new Map();
  for (const [, name, index] of text.matchAll(/\(export "(\w+)" \(global (\d+)\)\)/g)) exported.set(index, name);
  const found = [];
  const placeholder = (name) => `i32.const ${firstPlaceholder + found.push(String(name)) - 1}`;
  const changed = text
    .replace(/i32\.const (\d+)\s+i32\.load(?: offset=(\d+))?(?=\s)/g, (all, base, offset = '0') =>
      words.has(+base + +offset) ? placeholder(+base + +offset) : all,
    )
    .replace(/global\.get (\d+)(?=\s)/g, (all, index) =>
      globals.has(exported.get(index)) ? placeholder(exported.get(index)) : all,
    );
  const code = Buffer.from(parseWat('placeholders', changed).toBinary({ write_debug_names: false }).buffer);
  const sites = {};
  for (const [index, name] of found.entries()) {
    const at = code.indexOf(Buffer.from([0x41, ...paddedInteger(firstPlaceholder + index)]));
    if (at === -1) throw new Error(`constant ${name} is not in the code`);
    sites[name] ??= [];
    sites[name].push(at + 1);
  }
  return { buffer: code, sites };
}

/** Signed LEB128 of a number of 32 bits, in five bytes. */
function paddedInteger(value) {
  return [0, 7, 14, 21].map((shift) => ((value >> shift) & 0x7f) | 0x80).concat((value >> 28) & 0x7f);
}

function sitesText(sites) {
  const text = Object.entries(sites).map(([name, at]) => `${name} ${at.join(' ')}`);
  return `/** Where the code has numbers that \`wasmModuleWith\` fills in: of each its name and its places. */\nexport const wasmSites =\n  '${text.join(',')}';\n`;
}

for (const text of texts) {
  const source = readFileSync(text, 'utf8');
  const module = parseWat(relative(root, text), source, { threads: true });
  const { buffer: plain } = module.toBinary({ write_debug_names: false });
  const whole = source.includes('@inline') ? inlined(plain) : plain;
  const { buffer, sites } = source.includes('@constant')
    ? withPlaceholders(whole, constantsIn(source))
    : { buffer: whole };
  // Compiling says what is wrong with it; wabt's own check does not know shared memories.
  new WebAssembly.Module(buffer);
  const target = text.replace(/\.wat$/, '-wasm-code.ts');
  const code = `/** Made from ${text.split('/').at(-1)} by scripts/wasm.mjs: a WebAssembly module in hexadecimal digits. */\nexport const wasmCode =\n  '${Buffer.from(buffer).toString('hex')}';\n${sites ? sitesText(sites) : ''}`;
  if (!check) writeFileSync(target, code);
  else if (readFileSync(target, 'utf8') !== code) {
    console.error(
      `${relative(root, target)} is not what ${relative(root, text)} gives: run \`node scripts/wasm.mjs\` and commit the result.`,
    );
    process.exitCode = 1;
  }
}
