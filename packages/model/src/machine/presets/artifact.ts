import type { MachinePreset } from './preset.ts';

/**
 * The machine of the DMT artifact without its quirks: page-walk caches are private to a core and hold one entry per entry. Its TLBs know
 * 4 KiB pages only; the arrays for huge pages are those of the processor that the other sizes are of, and idle under 4 KiB pages.
 */
export const artifact: MachinePreset = {
  name: 'artifact',
  summary: 'the machine simulated by the DMT artifact: Skylake-SP sizes, LFU TLBs, 20 cores',
  source: 'DMT artifact (ASPLOS 2024): run_common.sh, cache_simulator.cpp, processor/Formula.cs',
  unverified: {},
  values: {},
};
