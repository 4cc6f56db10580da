import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { loadConfiguration, merge, nest, parseAssignment, parseConfiguration, parseScalar } from './load.ts';

const folder = temporaryFolder('config');

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('configuration files', () => {
  it('build on each other: the file wins over what it extends, later bases over earlier ones', async () => {
    file('a.yaml', 'setup: native\nmachine: { l2: { ways: 4, policy: lru } }\n');
    file('b.json', '{"setup": "nested", "seed": 1}');
    const path = file('c.yaml', 'extends: [a.yaml, b.json]\nmachine:\n  l2:\n    ways: 8 # wider\n');
    expect(await loadConfiguration(path)).toEqual({
      setup: 'nested',
      seed: 1,
      machine: { l2: { ways: 8, policy: 'lru' } },
    });
  });

  it('may extend a preset by name, which is left to whom the configuration is for', async () => {
    expect(await loadConfiguration(file('m.yaml', 'extends: artifact\ncores: 2\n'))).toEqual({
      extends: 'artifact',
      cores: 2,
    });
  });

  it('that extend themselves are refused', async () => {
    file('x.yaml', 'extends: y.yaml');
    const path = file('y.yaml', 'extends: x.yaml');
    await expect(loadConfiguration(path)).rejects.toThrow(/extends itself/);
  });

  it('with a mistake are refused with line and column', async () => {
    await expect(parseConfiguration('a: 1\nb: [1, 2\n', 'x.yaml')).rejects.toThrow(/^x\.yaml:\d+:\d+: /);
    await expect(parseConfiguration('a: 1\na: 2\n', 'x.yaml')).rejects.toThrow(/^x\.yaml:2:1: .*unique/);
    await expect(parseConfiguration('- 1\n', 'x.yaml')).rejects.toThrow(/a mapping .* found a list/);
  });

  it('tell an alias without its anchor', async () => {
    await expect(parseConfiguration('seed: *nowhere', 'a.yaml')).rejects.toMatchObject({ code: 'config.syntax' });
    expect(await parseScalar('*nowhere')).toBe('*nowhere');
  });

  it('never end in anything but a StrataError', () =>
    fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        await parseConfiguration(text, 'x').catch((error) => expect(error).toBeInstanceOf(StrataError));
      }),
    ));
});

describe('assignments', () => {
  it('read values as YAML does', async () => {
    expect(await parseAssignment('machine.l2.ways=8')).toEqual({ machine: { l2: { ways: 8 } } });
    expect(await parseAssignment('designs=[radix, shadow]')).toEqual({ designs: ['radix', 'shadow'] });
    expect(await parseAssignment('trace=gen:gups,size=1GiB')).toEqual({ trace: 'gen:gups,size=1GiB' });
    expect(await parseAssignment('a.b=true')).toEqual({ a: { b: true } });
  });

  it.each(['', '=1', 'a', 'a..b=1', 'a b=1'])('refuse %j', async (text) => {
    await expect(parseAssignment(text)).rejects.toThrow(/not an assignment/);
  });

  it('cannot reach the prototype of anything', () => {
    const merged = merge({}, JSON.parse('{"__proto__": {"polluted": 1}}'));
    expect({}).not.toHaveProperty('polluted');
    expect(Object.hasOwn(merged, '__proto__')).toBe(true);
    expect(nest('a.b', 1)).toEqual({ a: { b: 1 } });
  });
});
