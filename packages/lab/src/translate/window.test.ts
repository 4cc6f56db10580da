import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { translate } from './study.ts';

const folder = temporaryFolder('window');

const context = {
  signal: new AbortController().signal,
  progress: { update: () => {}, note: () => {}, end: () => {} },
  workers: 1,
  note: () => {},
};

/** A trace in the DMT artifact's native dialect, 20 bytes a record; `[window]` begins a window, a number is a read. */
function traceOf(name: string, steps: readonly (number | readonly [window: number])[]): string {
  const records: [type: number, size: number, value: bigint][] = [
    [31, 0, 1n],
    [28, 0, 100n],
    [30, 0, 100n],
    ...steps.map((step): [number, number, bigint] =>
      typeof step === 'number' ? [0, 8, BigInt(step)] : [34, 14, BigInt(step[0])],
    ),
    [32, 0, 0n],
  ];
  const view = new DataView(new ArrayBuffer(20 * records.length));
  for (const [at, [type, size, value]] of records.entries()) {
    view.setUint16(20 * at, type, true);
    view.setUint16(20 * at + 2, size, true);
    view.setBigUint64(20 * at + 4, value, true);
  }
  const path = join(folder, name);
  writeFileSync(path, new Uint8Array(view.buffer));
  return path;
}

async function run(given: Record<string, unknown>) {
  const { stats } = await translate.execute(translate.resolve(given), context);
  return stats as { trace: { references: number }; walks: number } satisfies object;
}

describe('a window of a trace', () => {
  const steps = [0x1000, [0], 0x2000, 0x3000, [1], 0x4000, 0x5000, 0x6000, [2], 0x7000] as const;

  it('is what lies between its marker and the next', async () => {
    const trace = traceOf('windows', steps);
    expect(await run({ trace })).toMatchObject({ trace: { references: 7 }, walks: 7 });
    for (const [window, references] of [2, 3, 1].entries())
      expect(await run({ trace, window })).toMatchObject({ trace: { references }, walks: references });
  });

  it('that the trace does not have is told, with those that it has', async () => {
    await expect(run({ trace: traceOf('windows', steps), window: 9 })).rejects.toThrow(/no window 9.*windows 0, 1, 2/);
  });

  it('of a trace without markers is told, with what to do instead', async () => {
    const trace = traceOf('plain', [0x1000, 0x2000]);
    await expect(run({ trace, window: 0 })).rejects.toThrow(/no window markers.*--skip/);
    await expect(run({ trace: 'gen:gups,accesses=100', window: 0 })).rejects.toThrow(/no window markers/);
  });

  it('is refused in compat mode', () => {
    expect(() => translate.resolve({ trace: 'a', tables: 'b', mode: 'compat', window: 0 })).toThrow(/--mode correct/);
  });
});
