import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const command = fileURLToPath(new URL('../../bin/strata.mjs', import.meta.url));
/** Ends the command when its progress line first shows accesses, and says how much processor time it has used until then. */
const stopwatch = `data:text/javascript,${encodeURIComponent(`
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (text) => {
    if (!/translate: [1-9]\\d* \\w* ?accesses/.test(text)) return write(text);
    const { user, system } = process.cpuUsage();
    process.stdout.write('microseconds ' + (user + system), () => process.exit(0));
    return true;
  };
`)}`;

async function secondsToFirstAccess(...options: readonly string[]): Promise<number> {
  const args = ['--import', stopwatch, command, 'translate', 'run', '--progress', '--setup', 'virtualized', ...options];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const found = /^microseconds (\d+)$/.exec(stdout.trim());
  expect(found, stdout).not.toBeNull();
  return Number(found![1]) / 1e6;
}

/** Start of Node, reading the modules, configuration, address spaces and a first block of the trace. Measured: 0.6 s. */
const promisedSeconds = 2;

describe('the first simulated access comes within two seconds of processor time', () => {
  it.each(['gups', 'zipf', 'bfs', 'btree', 'hash-join', 'chase', 'sequential', 'strided'])(
    '%s over 1 GiB and over 16 TiB',
    async (generator) => {
      for (const size of ['1GiB', '16TiB'])
        expect(await secondsToFirstAccess('--trace', `gen:${generator},size=${size}`)).toBeLessThan(promisedSeconds);
    },
    60_000,
  );

  it('in fragmented memories of terabytes, with transparent huge pages, with designs that keep tables', async () => {
    const designs = 'radix,dmt,ecpt,fpt';
    const aged = ['process', 'vm'].flatMap((space) => ['--set', `spaces.${space}.fragmentation=0.5`]);
    const trace = 'gen:zipf,size=16TiB';
    const seconds = await secondsToFirstAccess('--trace', trace, '--designs', designs, '--page', 'thp', ...aged);
    expect(seconds).toBeLessThan(promisedSeconds);
  }, 60_000);
});
