import { type ChildProcess, spawn } from 'node:child_process';
import { strataCommand } from '../../../../testing/components.ts';

/** An agent in a process of its own, as the command starts it from the build. */
export interface AgentProcess {
  readonly address: string;
  /** Where its OpenMetrics are, when the options ask for them. */
  readonly metrics: string | undefined;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** kill -9. */
  kill(): Promise<void>;
}

export function startAgentProcess(...options: string[]): Promise<AgentProcess> {
  return startAgentThrough([], ...options);
}

/** The same by a program that ends in executing what it is given, so that the agent has the process. */
export async function startAgentThrough(launcher: readonly string[], ...options: string[]): Promise<AgentProcess> {
  const words = ['far', 'agent', '--listen', '127.0.0.1:0', '--memory', '256MiB', ...options];
  const [program, ...before] = [...launcher, process.execPath];
  const child = spawn(program!, [...before, strataCommand, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const announced = options.includes('--metrics') ? 2 : 1;
  const [address, metrics] = await new Promise<string[]>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (text) => {
      said += String(text);
      const lines = said.split('\n').slice(0, -1);
      if (lines.length >= announced) resolve(lines);
    });
    child.stderr.on('data', (text) => {
      said += String(text);
    });
    child.on('exit', () => reject(new Error(`the agent ended: ${said}`)));
  });
  return {
    address: address!,
    metrics,
    child,
    ended,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
