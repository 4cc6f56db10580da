import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRegistry, type Registry, StrataError } from '@strata/model/machine';
import { type Design, designs } from '@strata/model/translation';

const loaded = new Map<string, readonly Design[]>();

/** Loads a user's designs once, so that `designsWith` knows them. Nothing happens for an empty path. @throws StrataError `plugin.*` */
export async function loadPlugin(path: string): Promise<void> {
  if (path === '' || loaded.has(path)) return;
  const found = designsIn(await importModule(path), path);
  for (const { name } of found)
    if (designs.has(name))
      throw new StrataError({
        code: 'plugin.name-taken',
        what: `the plugin's design ${name} has the name of a built-in one`,
        where: path,
        mend: 'Give it another name.',
      });
  loaded.set(path, found);
}

/** Strata's designs and those of the plugin, which `loadPlugin` has loaded. */
export function designsWith(path: string): Registry<Design> {
  if (path === '') return designs;
  const own = loaded.get(path);
  if (own === undefined)
    throw new StrataError({
      code: 'plugin.not-loaded',
      what: 'this command does not load plugins',
      where: path,
      mend: 'Use strata translate run, compare or sensitivity.',
    });
  return createRegistry('design', [...designs, ...own]);
}

/** Names of the plugin's designs; of `wanted` none, or some of them. Whoever gives a plugin and names none of its designs wants all. */
export function pluginDesigns(path: string, wanted: readonly string[]): readonly string[] {
  const own = (loaded.get(path) ?? []).map(({ name }) => name);
  return own.some((name) => wanted.includes(name)) ? [] : own;
}

async function importModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  const extension = extname(path);
  const source = await readFile(path, 'utf8').catch(() => {
    throw new StrataError({ code: 'input.unreadable', what: 'no such file, or not readable', where: path });
  });
  if (!['.ts', '.mts', '.js', '.mjs'].includes(extension))
    throw new StrataError({
      code: 'plugin.extension',
      what: 'not a module',
      where: path,
      expected: 'a file that ends in .ts, .mts, .js or .mjs',
    });
  const script = extension.endsWith('ts') ? await withoutTypes(source, path) : source;
  try {
    // A module of its own, so that a plugin finds Strata wherever it lies, and is read anew when it has changed.
    const text = withAbsoluteImports(script, path);
    return (await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)) as Record<
      string,
      unknown
    >;
  } catch (error) {
    throw new StrataError({
      code: 'plugin.fails',
      what: `the plugin cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      where: path,
      expected: 'a module that exports a design, made with defineDesign of @strata/model/translation',
    });
  }
}

/** TypeScript's own compiler, or esbuild, whichever the user has. */
async function withoutTypes(source: string, path: string): Promise<string> {
  const typescript = await import('typescript').catch(() => undefined);
  if (typescript !== undefined) {
    const { ModuleKind, ScriptTarget, transpileModule } = typescript.default;
    return transpileModule(source, { compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 } })
      .outputText;
  }
  const name = 'esbuild';
  const esbuild: unknown = await import(name).catch(() => undefined);
  if (canTransform(esbuild)) {
    const { code } = await esbuild.transform(source, { loader: 'ts', sourcefile: path });
    return code;
  }
  throw new StrataError({
    code: 'plugin.no-typescript',
    what: 'a plugin in TypeScript needs a compiler, and there is none',
    where: path,
    mend: 'Install one (npm install typescript), or give the plugin as .js or .mjs.',
    exitCode: 3,
  });
}

interface Esbuild {
  transform(source: string, options: Readonly<Record<string, string>>): Promise<{ readonly code: string }>;
}

function canTransform(module: unknown): module is Esbuild {
  return typeof module === 'object' && module !== null && 'transform' in module;
}

/** Imports of Strata lead to this installation, relative ones to beside the plugin; all others are looked for from here. */
function withAbsoluteImports(script: string, path: string): string {
  const absolute = (specifier: string): string => {
    if (specifier.startsWith('.')) return pathToFileURL(resolve(dirname(path), specifier)).href;
    if (specifier.startsWith('@strata/')) return import.meta.resolve(specifier);
    return specifier;
  };
  return script.replace(
    /((?:\bfrom|\bimport)\s*)(["'])([^"'\n]+)\2/g,
    (_all, before: string, quote: string, specifier: string) => `${before}${quote}${absolute(specifier)}${quote}`,
  );
}

function designsIn(module: Readonly<Record<string, unknown>>, path: string): readonly Design[] {
  const found = [...new Set(Object.values(module))].filter(isDesign);
  if (found.length === 0)
    throw new StrataError({
      code: 'plugin.no-design',
      what: 'the plugin exports no design',
      where: path,
      expected: 'an export with name, summary, source, setups, spec, counters and create',
      found: `exports ${Object.keys(module).join(', ') || 'nothing'}`,
    });
  return found;
}

function isDesign(value: unknown): value is Design {
  if (typeof value !== 'object' || value === null) return false;
  const one = value as Partial<Record<keyof Design, unknown>>;
  const texts = [one.name, one.summary, one.source].every((text) => typeof text === 'string' && text !== '');
  const objects = [one.spec, one.counters].every((object) => typeof object === 'object' && object !== null);
  return texts && objects && Array.isArray(one.setups) && typeof one.create === 'function';
}
