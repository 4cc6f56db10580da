import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { FarMemory } from '@strata/far-memory';
import { connectAgents } from '@strata/far-memory/cluster';
import { expect, test, vi } from 'vitest';
import { hasProgram, strataCommand } from '../../../../testing/components.ts';
import { type AgentProcess, startAgentProcess } from '../../../far-memory/src/testing/agent-process.case.ts';

const clearScreen = '\x1b[H\x1b[2J';
const hasPseudoTerminal = hasProgram('script');

test.runIf(hasPseudoTerminal)(
  `strata far top redraws on a terminal while agents work, vanish and come back${hasPseudoTerminal ? '' : ' (skipped: util-linux has no script here)'}`,
  async () => {
    const metrics = ['127.0.0.1:0', '127.0.0.1:0'];
    const [steady, mortal] = await Promise.all(metrics.map((address) => startAgentProcess('--metrics', address)));
    const store = await connectAgents({ agents: [steady!.address] });
    await store.write(1, 1, new Uint8Array(1000));
    const far = await FarMemory.open({ localBytes: 2 ** 24, countHits: true, agents: [mortal!.address] });
    await far.mut(far.alloc(64));
    const program = createServer((_request, response) => response.end(JSON.stringify(far.stats())));
    await new Promise<void>((resolve) => program.listen(0, '127.0.0.1', resolve));
    const port = (program.address() as { readonly port: number }).port;

    const endpoints = [steady!.metrics!, mortal!.metrics!, `127.0.0.1:${port}`];
    const command = [process.execPath, strataCommand, 'far', 'top', '--interval', '0.2', ...endpoints].join(' ');
    const terminal = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null']);
    let shown = '';
    terminal.stdout.on('data', (text) => {
      shown += text;
    });
    const ended = new Promise((resolve) => terminal.once('exit', resolve));
    /** The last screen that was drawn as a whole, by endpoint. */
    const screen = () => {
      const screens = shown.split(clearScreen);
      const lines = (screens.at(-2) ?? '').replaceAll('\r', '').split('\n').filter(Boolean);
      return lines.join('\n').split(/\n(?=http)/);
    };
    const shows = (...expected: readonly RegExp[]) =>
      vi.waitFor(
        () => {
          const found = screen();
          expect(found).toHaveLength(expected.length);
          for (const [at, pattern] of expected.entries()) expect(found[at]).toMatch(pattern);
        },
        { timeout: 30_000, interval: 50 },
      );
    let again: AgentProcess | undefined;
    try {
      const runtime = /segments free.*\n {2}evacuation: .* moved.*\n {2}tcp:.*: connected/;
      await shows(/1 objects of 1 clients/, /0 objects of 1 clients/, runtime);
      const reading = setInterval(() => void store.read(1, 1, new Uint8Array(1000), 'demand'), 5);
      await shows(/[1-9]\d* reads\/s, .* found 100.0 %/, /0 reads\/s/, runtime);
      clearInterval(reading);
      await mortal!.kill();
      await shows(/ 0 reads\/s/, /down: connect ECONNREFUSED/, /tcp:.*: (?!connected)/);
      again = await startAgentProcess('--metrics', new URL(mortal!.metrics!).host);
      await shows(/1 objects/, /0 objects of 0 clients/, /hits/);
      terminal.stdin.write('\x03');
      expect(await ended).toBe(130);
    } finally {
      terminal.kill('SIGKILL');
      program.close();
      program.closeAllConnections();
      await store.close();
      await far.close();
      await Promise.all([steady, mortal, again].map((agent) => agent?.kill()));
    }
  },
  120_000,
);
