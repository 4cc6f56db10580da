import {
  type AddressSpace,
  backedFrames,
  backGuest,
  createAddressSpaces,
  createRandom,
  type DimensionOptions,
  framesBeside,
  importedSpace,
} from '@strata/model/machine';
import { dimensionsOf, type Setup, type TranslationConfig } from '@strata/model/translation';
import { loadTables } from '@strata/traces/tables';
import type { InputValues } from './configuration.ts';

export interface PreparedSpaces {
  /** The address spaces below a process of the trace, in order of first appearance. */
  of(process: number): readonly AddressSpace[];
  readonly warnings: readonly string[];
}

const namesOf: Readonly<Record<Setup, readonly ('process' | 'vm' | 'l1')[]>> = {
  native: ['process'],
  virtualized: ['process', 'vm'],
  nested: ['process', 'vm', 'l1'],
};

/** Address spaces from imported tables where there are any; the operating-system model builds the others on demand. */
export async function prepareSpaces(input: InputValues, config: TranslationConfig): Promise<PreparedSpaces> {
  const modelled = createAddressSpaces(
    namesOf[config.setup].map((name) => dimensionOptions(config, name)),
    createRandom(config.seed),
  );
  if (input.tables === '') {
    const processes = [modelled.spaces];
    return {
      of(process) {
        while (processes.length <= process) processes.push(modelled.addProcess());
        return processes[process]!;
      },
      warnings: [],
    };
  }
  const { spaces, warnings } = await importedSpaces(input, config, modelled.spaces);
  return { of: () => spaces, warnings };
}

function dimensionOptions({ spaces }: TranslationConfig, name: 'process' | 'vm' | 'l1'): DimensionOptions {
  const { page, levels, memoryGiB, fragmentation } = spaces[name];
  return {
    pages: page,
    levels: levels === 5 ? 5 : 4,
    unusable: fragmentation,
    ...(memoryGiB > 0 ? { memoryBytes: memoryGiB * 2 ** 30 } : {}),
  };
}

async function importedSpaces(
  input: InputValues,
  { setup }: TranslationConfig,
  modelled: readonly AddressSpace[],
): Promise<{ spaces: readonly AddressSpace[]; warnings: readonly string[] }> {
  const unit = input.unit === 'auto' ? {} : { unit: input.unit };
  const guest = await loadTables(input.tables, unit);
  const host =
    input.hostTables === '' || setup === 'native'
      ? undefined
      : await loadTables(input.hostTables, { ...unit, addresses: 'physical' });
  const warnings = [...guest.warnings, ...(host?.warnings ?? [])];
  const below = modelled.slice(1);
  if (host !== undefined)
    below[0] = importedSpace(host.table, framesBeside(host.table, 'the host'), { vmas: host.vmas });
  const beside = framesBeside(guest.table, setup === 'native' ? 'the host' : 'the VM');
  const process = importedSpace(guest.table, below[0] === undefined ? beside : backedFrames(beside, below[0]), {
    vmas: guest.vmas,
    backMissing: input.backMissing,
  });
  if (dimensionsOf[setup] > 1)
    backGuest(guest.table, below[0]!, { guest: input.tables, host: input.hostTables || 'the modelled hypervisor' });
  return { spaces: [process, ...below], warnings };
}
