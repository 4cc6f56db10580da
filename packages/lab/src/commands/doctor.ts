import { execFileSync } from 'node:child_process';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import type { Table } from '../terminal/table.ts';
import { version } from '../version.ts';

interface Component {
  readonly name: string;
  readonly enables: string;
  /** How to get it. */
  readonly get: string;
  readonly required?: boolean;
  /** Version when present. */
  probe(): Promise<string | undefined> | string | undefined;
}

/** What Strata can use. Nothing but Node is required; what is missing is named with what it would enable. */
const components: readonly Component[] = [
  { name: 'strata', enables: 'this command', get: '', required: true, probe: () => version() },
  {
    name: 'node',
    enables: 'everything; 20.19 or newer',
    get: 'https://nodejs.org',
    required: true,
    probe: () => (atLeast(process.versions.node, 20, 19) ? process.versions.node : undefined),
  },
  program('zstd', 'two to five times faster reading of .zst (else: built-in decoder)', 'zstd'),
  program('xz', 'two to five times faster reading of .xz (else: built-in decoder)', 'xz-utils'),
  program('lz4', 'faster reading of .lz4 (else: built-in decoder)', 'lz4'),
  program('bzip2', 'reading of .bz2', 'bzip2'),
  {
    name: 'duckdb',
    enables: 'strata query: SQL over all runs',
    get: 'npm install (without --omit=optional)',
    probe: async () => {
      const module = await import('@duckdb/node-api').catch(() => undefined);
      return module?.version();
    },
  },
  {
    name: 'resvg',
    enables: 'strata figure --png',
    get: 'npm install',
    probe: async () => ((await import('@resvg/resvg-js').catch(() => undefined)) === undefined ? undefined : 'present'),
  },
  {
    name: 'pdfkit',
    enables: 'strata figure --pdf',
    get: 'npm install',
    probe: async () => ((await import('pdfkit').catch(() => undefined)) === undefined ? undefined : 'present'),
  },
  program('qemu-system-x86_64', 'recording whole systems and guest page tables', 'qemu-system-x86'),
  program('perf', 'recording walk counters for --perf', 'linux-perf'),
];

export function register(command: Command): void {
  addOutputOptions(command).action(async (options: OutputOptions) => {
    const rows = await Promise.all(
      components.map(async ({ name, enables, get, required = false, probe }) => {
        const found = await probe();
        return {
          component: name,
          present: found !== undefined,
          version: found ?? '',
          enables,
          get: found === undefined ? get : '',
          required,
        };
      }),
    );
    const table: Table = {
      name: 'components',
      columns: [
        { name: 'component', type: 'text' },
        { name: 'present', type: 'flag' },
        { name: 'version', type: 'text' },
        { name: 'enables', type: 'text' },
        { name: 'get', type: 'text', title: 'how to get it' },
      ],
      rows,
    };
    await emit({ document: { components: rows }, tables: [table] }, options);
    if (rows.some(({ required, present }) => required && !present)) process.exitCode = 3;
  });
  addExamples(command, ['strata doctor', 'strata doctor --json']);
}

function program(name: string, enables: string, debianPackage: string): Component {
  return {
    name,
    enables,
    get: `Debian: apt-get install ${debianPackage}; else your package manager`,
    probe: () => programVersion(name),
  };
}

function programVersion(name: string): string | undefined {
  try {
    const text = execFileSync(name, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 5000,
      input: '',
    });
    return /\d+(\.\d+)+/.exec(text)?.[0] ?? 'present';
  } catch (error) {
    // Some print their version and fail all the same (bzip2 without input).
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'present';
  }
}

function atLeast(found: string, major: number, minor: number): boolean {
  const [foundMajor = 0, foundMinor = 0] = found.split('.').map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}
