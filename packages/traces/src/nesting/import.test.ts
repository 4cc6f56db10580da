import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { importExits } from './import.ts';

describe.skipIf(!hasReference)(`the recorded boot of a nested guest${referenceReason}`, () => {
  it('is read whole: every line, every exit, by reason', async () => {
    const started = performance.now();
    const recording = await importExits(reference('capture/kvm_exit-l2boot-ftrace.txt.zst'));
    console.log(performance.now() - started, recording);
    expect(recording.lines).toBe(209_088);
    expect(recording.total).toBe(44_757);
  });
  it('kvmtest', async () => {
    console.log(await importExits(reference('capture/kvm_exit-kvmtest-ftrace.txt.gz')));
  });
});
