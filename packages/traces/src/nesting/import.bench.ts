// Lines of event text per second, streamed from a file, beside the bare search for line ends in the same bytes.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventTextReader } from './event-text.ts';
import { importExits } from './import.ts';
import { createExitTally } from './recording.ts';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const rounds = smoke ? 2 : 8;
const copies = smoke ? 10_000 : 60_000;
const block = [
  '         minivmm-103     [000] d..1.     6.119233: kvm_entry: vcpu 0, rip 0x100200',
  '         minivmm-103     [000] .....     6.120109: kvm_exit: vcpu 0 reason npf rip 0x100200 info1 0x0000000200000006 info2 0x0000000000030000 intr_info 0x00000000 error_code 0x00000000',
  '         minivmm-103     [000] .....     6.120263: kvm_page_fault: vcpu 0 rip 0x100200 address 0x0000000000030000 error_code 0x200000006',
  '         minivmm-103     [000] ...1.     6.121991: kvm_tdp_mmu_spte_changed: as id 0 gfn 30 level 1 old_spte 0 new_spte 1e6ee67',
  '         minivmm-103     [000] ...1.     6.122073: kvm_mmu_set_spte: gfn 30 spte 1e6ee67 (rwxu) level 1 at 9d2a180',
];
const bytes = Buffer.from(`${block.join('\n')}\n`.repeat(copies));
const lines = block.length * copies;

function best(work: () => void): number {
  let seconds = Infinity;
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    work();
    seconds = Math.min(seconds, (performance.now() - started) / 1_000);
  }
  return seconds;
}

const yardstick = best(() => {
  let found = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) found++;
  if (found !== lines) throw new Error('the yardstick lost lines');
});
const parsing = best(() => {
  const reader = createEventTextReader(createExitTally());
  for (let at = 0; at < bytes.length; at += 1_048_576) reader.push(bytes.subarray(at, at + 1_048_576));
  if (reader.end().lines !== lines) throw new Error('the reader lost lines');
});
const folder = mkdtempSync(join(tmpdir(), 'strata-bench-exits-'));
try {
  const path = join(folder, 'trace.txt');
  writeFileSync(path, bytes);
  readFileSync(path);
  const started = performance.now();
  await importExits(path);
  const whole = (performance.now() - started) / 1_000;
  const rate = (seconds: number) => `${(lines / seconds / 1e6).toFixed(2)} M lines/s`;
  console.log(`event text: ${rate(parsing)}; whole import from a file: ${rate(whole)}; promised: 0.5 M lines/s`);
  console.log(
    `ratio to the search for line ends (${rate(yardstick)}): ${(parsing / yardstick).toFixed(1)} times its time`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
