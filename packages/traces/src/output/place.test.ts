import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createPageTable, type Frame } from '@strata/model/machine';
import { describe, expect, it } from 'vitest';
import { writeChampsim } from '../export/champsim.ts';
import { writeDrmemtrace } from '../export/drmemtrace.ts';
import { writeCsv, writeDin } from '../export/text.ts';
import { createNativeWriter, writeNative } from '../native/index.ts';
import { openTrace } from '../open.ts';
import { temporaryFolder } from '../reading.case.ts';
import { writeDmtDump } from '../tables/index.ts';

const folder = temporaryFolder();
let folders = 0;
const reader = () => openTrace('gen:sequential,size=64KiB,accesses=100');

const writers: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  writeNative: async (path) => writeNative(path, await reader()),
  createNativeWriter,
  writeDrmemtrace: async (path) => writeDrmemtrace(path, await reader()),
  writeChampsim: async (path) => writeChampsim(path, await reader()),
  writeDin: async (path) => writeDin(path, await reader()),
  writeCsv: async (path) => writeCsv(path, await reader()),
  writeDmtDump: async (path) => writeDmtDump(path, createPageTable({ levels: 4, rootFrame: 1 as Frame })),
};

describe.each(Object.entries(writers))('%s', (_name, write) => {
  it('refuses a device, a pipe and a folder, and leaves them as they are', async () => {
    const own = folder.path(`place-${folders++}`);
    const pipe = join(own, 'pipe');
    const taken = join(own, 'taken');
    mkdirSync(taken, { recursive: true });
    execFileSync('mkfifo', [pipe]);
    for (const [path, why] of [
      ['/dev/null', /a device or a pipe/],
      [pipe, /a device or a pipe/],
      [taken, /it is a folder/],
    ] as const)
      await expect(write(path)).rejects.toMatchObject({
        code: 'output.unwritable',
        message: expect.stringMatching(why),
      });
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
    expect(statSync(pipe).isFIFO()).toBe(true);
    expect(readdirSync(own).sort()).toEqual(['pipe', 'taken']);
  });

  it('refuses a folder that is not there, and a file where a folder should be', async () => {
    await expect(write(join(folder.path('none'), 'a'))).rejects.toMatchObject({ code: 'output.unwritable' });
    await expect(write(join('/dev/null', 'a'))).rejects.toMatchObject({ code: 'output.unwritable' });
  });
});
