import { describe, expect, it } from 'vitest';
import { importExits, recognise } from './import.ts';
import { counts, fileOf, imported, recorded } from './importing.case.ts';

describe('the recorded boot of a nested guest', () => {
  const boot = recorded('kvm_exit-l2boot-ftrace.txt.zst');
  it('is read whole: every line, every exit, by reason', async () => {
    const recording = await importExits(boot);
    expect([
      recording.format,
      recording.lines,
      recording.events,
      recording.total,
      recording.lost,
      recording.skipped,
    ]).toEqual(['ftrace', 209_088, 209_076, 44_757, 0, 0]);
    expect(counts(recording)).toMatchObject({
      npf: 23_869,
      io: 10_502,
      cpuid: 7_182,
      interrupt: 2_483,
      vintr: 510,
      hlt: 73,
      msr: 68,
      write_cr4: 57,
    });
    expect([...recording.kinds.values()].reduce((sum, count) => sum + count, 0)).toBe(44_757);
  });
  it('tells device accesses, MSRs and page faults apart by the events that follow', async () => {
    const recording = await importExits(recorded('kvm_exit-kvmtest-ftrace.txt.gz'));
    // 50 rounds of CPUID, OUT, IN, RDMSR, MMIO store; the two page faults are the guest's first.
    expect(Object.fromEntries(recording.kinds)).toMatchObject({ cpuid: 50, 'pio-user': 150, msr: 50, ept: 2, hlt: 1 });
  });
});

describe('an interrupted import', () => {
  const line = ' qemu-1 [000] 1.0: kvm_exit: reason HLT rip 0x1 info 0 0\n';
  const path = fileOf(line.repeat(200_000));

  it('counts what was read where that is wanted, and says so', async () => {
    const control = new AbortController();
    const onProgress = () => control.abort(new Error('stop'));
    const recording = await importExits(path, { signal: control.signal, partial: true, onProgress });
    expect(recording.interrupted).toBe(true);
    expect(recording.total).toBeGreaterThan(0);
    expect(recording.total).toBeLessThan(200_000);
    expect(recording.warnings.at(-1)).toMatch(/^Interrupted/);
  });

  it('is no result for those who need the whole, nor before anything was read', async () => {
    const control = new AbortController();
    await expect(
      importExits(path, { signal: control.signal, onProgress: () => control.abort(new Error('stop')) }),
    ).rejects.toThrow('stop');
    await expect(
      importExits(path, { signal: AbortSignal.abort(new Error('at once')), partial: true }),
    ).rejects.toThrow();
  });
});

describe('what is no recording', () => {
  it('gets a sentence', async () => {
    await expect(imported('root:x:0:0:root:/root:/bin/bash\n')).rejects.toThrow(/no recording of exits/);
    await expect(imported('nothing here\n', { format: 'ftrace' })).rejects.toThrow(/no event could be read/);
    await expect(importExits('absent')).rejects.toThrow(/no such file/);
    await expect(imported('')).rejects.toThrow(/empty/);
    expect(recognise(Buffer.from('cpuid 1200\nvmcall 1300\n'))).toBeUndefined();
  });
});
