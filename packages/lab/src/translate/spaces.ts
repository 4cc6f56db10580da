import { type AddressSpace, backedFrames, backGuest, framesBeside, importedSpace } from '@strata/model/machine';
import { demandSpaces, dimensionsOf, type TranslationConfig } from '@strata/model/translation';
import { loadTables } from '@strata/traces/tables';
import type { InputValues } from './configuration.ts';

export interface PreparedSpaces {
  /** The address spaces below a process of the trace, in order of first appearance. */
  of(process: number): readonly AddressSpace[];
  readonly warnings: readonly string[];
}

/** Address spaces from imported tables where there are any; the operating-system model builds the others on demand. */
export async function prepareSpaces(input: InputValues, config: TranslationConfig): Promise<PreparedSpaces> {
  const modelled = demandSpaces(config);
  if (input.tables === '') {
    const processes: (readonly AddressSpace[])[] = [];
    return {
      of(process) {
        while (processes.length <= process) processes.push(modelled(processes.length));
        return processes[process]!;
      },
      warnings: [],
    };
  }
  const { spaces, warnings } = await importedSpaces(input, config, modelled(0));
  return { of: () => spaces, warnings };
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
