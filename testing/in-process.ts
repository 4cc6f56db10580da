import { runCommandLine } from '../packages/lab/src/command-line.ts';

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `strata` in this process, in a folder, without the second that starting one costs; what it prints is caught. Exit codes of real
 * processes, signals and start-up need a real process.
 */
export async function strataIn(folder: string, args: readonly string[]): Promise<Ended> {
  const { stdout, stderr, exitCode } = process;
  const before = { folder: process.cwd(), out: stdout.write, err: stderr.write };
  const printed = { out: '', err: '' };
  process.chdir(folder);
  process.exitCode = 0;
  stdout.write = (text: string | Uint8Array) => {
    printed.out += text;
    return true;
  };
  stderr.write = (text: string | Uint8Array) => {
    printed.err += text;
    return true;
  };
  try {
    const status = await runCommandLine(args);
    return { status, stdout: printed.out, stderr: printed.err };
  } finally {
    stdout.write = before.out;
    stderr.write = before.err;
    process.chdir(before.folder);
    process.exitCode = exitCode;
  }
}

/** The words of a command line without anything that only a shell can do; undefined when it needs one. */
export function plainWords(line: string): string[] | undefined {
  const words = [...line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word);
  const bare = line.replace(/"[^"$`]*"|'[^']*'/g, '');
  return /[|&;<>()$`\\*?]/.test(bare) ? undefined : words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}
