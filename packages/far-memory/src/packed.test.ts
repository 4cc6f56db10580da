import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { cloneRoot } from '../../../testing/components.ts';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';

const packageFolder = fileURLToPath(new URL('..', import.meta.url));
/** A user's folder, outside the workspace. */
const folder = temporaryFolder('packed');
const installed = join(folder, 'node_modules/@strata/far-memory');

function run(program: string, words: readonly string[], cwd = folder): string {
  const { stdout, stderr, status } = spawnSync(program, words, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} ends with ${status}: ${stdout}${stderr}`);
  return stdout;
}

beforeAll(() => {
  run('npm', ['pack', '--silent', '--pack-destination', folder], packageFolder);
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  mkdirSync(installed, { recursive: true });
  run('tar', ['-xzf', archive, '--strip-components=1', '-C', installed]);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
}, 60_000);

const readme = () => readFileSync(join(installed, 'README.md'), 'utf8');

describe('the package as it is published', () => {
  it('runs the quick start where nothing else is installed', { timeout: 60_000 }, () => {
    writeFileSync(join(folder, 'quick-start.js'), /```ts\n([\s\S]*?)```/.exec(readme())![1]!);
    expect(run(process.execPath, ['quick-start.js'])).toBe('499995000 { vendor: 0, distance: 9999.9 } 7\n');
  });

  it('has types that a strict program is checked against, those of its entries for agents too', {
    timeout: 120_000,
  }, () => {
    writeFileSync(
      join(folder, 'program.ts'),
      `import { FarMemory, struct, u32, utf8 } from '@strata/far-memory';
      import { type Agent, startAgent } from '@strata/far-memory/agent';
      import { type Cluster, connectAgents } from '@strata/far-memory/cluster';
      const agent: Agent = await startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 20 });
      const store: Cluster = await connectAgents({ agents: [agent.address], replicas: 2 });
      const far = await FarMemory.open({ localBytes: 2 ** 24, store });
      const list = far.list(struct({ id: u32, name: utf8(8) }));
      await list.pushBack({ id: 1, name: 'a' });
      const name: string = (await list.at(0)).name;
      // @ts-expect-error a name is no number
      const wrong: number = (await list.at(0)).name;
      console.log(name, wrong, far.health()?.lost);
      await far.close();
      await agent.close();\n`,
    );
    // What a user has installed to compile: the compiler, and the types of Node.js.
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
    const modules = join(cloneRoot, 'node_modules');
    for (const name of ['@types/node', 'undici-types'])
      symlinkSync(join(modules, name), join(folder, 'node_modules', name), 'dir');
    const options = [
      '--strict',
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--types',
      'node',
      '--skipLibCheck',
      'false',
    ];
    run(process.execPath, [join(modules, 'typescript/bin/tsc'), ...options, 'program.ts']);
    expect(run(process.execPath, ['program.js'])).toBe('a a 0\n');
  });

  it('imports nothing but itself, Node.js, and an FFI that is optional', () => {
    const imported = new Set<string>();
    const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => name.endsWith('.js')))
      for (const [, name] of readFileSync(join(installed, 'dist', file), 'utf8').matchAll(
        /(?:\bfrom\s+|\bimport\s+|\brequire\(\s*|\bimport\(\s*|\bcreateRequire\(import\.meta\.url\)\()['"]([^'"\s]+)['"]/g,
      ))
        if (!name!.startsWith('.')) imported.add(name!);
    const others = [...imported].filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
    expect(others).toEqual(['koffi']);
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect([dependencies, Object.keys(optionalDependencies)]).toEqual([undefined, ['koffi']]);
  });

  it('carries every page that its README links to, and no tests', () => {
    const links = [...readme().matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) => path!);
    expect(links).toContain('API.md');
    for (const path of links) expect(existsSync(join(dirname(join(installed, 'README.md')), path)), path).toBe(true);
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    expect(files.filter((name) => /\.(test|case|bench)\./.test(name))).toEqual([]);
  });
});
