import {
  type AddressSpace,
  type AddressSpaces,
  backedFrames,
  backGuest,
  type DemandSpace,
  type FrameSource,
  framesBeside,
  importedSpace,
  promoteHugePages,
  StrataError,
} from '@strata/model/machine';
import { demandMachine, dimensionsOf, type TranslationConfig } from '@strata/model/translation';
import { type LoadedTables, loadTables } from '@strata/traces/tables';
import type { InputValues } from './configuration.ts';

export interface PreparedSpaces {
  /** The address spaces below a process of the trace, in order of first appearance. */
  of(process: number): readonly AddressSpace[];
  /** The same where all of them are modelled, so that their operating systems can act. */
  readonly modelled?: (process: number) => readonly DemandSpace[];
  /** What the first process runs on, with the memories below, where it is modelled. */
  readonly machine?: AddressSpaces;
  readonly warnings: readonly string[];
}

/** Address spaces from imported tables where there are any; the operating-system model builds the others on demand. */
export async function prepareSpaces(input: InputValues, config: TranslationConfig): Promise<PreparedSpaces> {
  const machine = demandMachine(config);
  const modelled = (process: number) => (process === 0 ? machine.spaces : machine.addProcess());
  if (input.tables === '') {
    const processes: (readonly DemandSpace[])[] = [];
    const of = (process: number): readonly DemandSpace[] => {
      while (processes.length <= process) processes.push(modelled(processes.length));
      return processes[process]!;
    };
    return { of, modelled: of, machine, warnings: [] };
  }
  const { spaces, warnings } = await importedSpaces(input, config, modelled(0));
  return { of: () => spaces, warnings };
}

async function importedSpaces(
  input: InputValues,
  { setup, spaces }: TranslationConfig,
  modelled: readonly AddressSpace[],
): Promise<{ spaces: readonly AddressSpace[]; warnings: readonly string[] }> {
  refuseForcedPages('process', spaces.process.page);
  const hasHost = input.hostTables !== '' && setup !== 'native';
  if (hasHost) refuseForcedPages('vm', spaces.vm.page);
  // A machine has no tables inside its huge pages, whatever a dump's rows say.
  const options = { foldHugePages: true, ...(input.unit === 'auto' ? {} : { unit: input.unit }) };
  const guest = await loadTables(input.tables, options);
  const host = hasHost ? await loadTables(input.hostTables, { ...options, addresses: 'physical' }) : undefined;
  const warnings = [...guest.warnings, ...(host?.warnings ?? [])];
  const below = modelled.slice(1);
  const beside = framesBeside(guest.table, setup === 'native' ? 'the host' : 'the VM');
  if (host === undefined) {
    warnings.push(...applyPages(guest, spaces.process.page, backedBy(beside, below[0])));
  } else {
    const hostFrames = backedBy(framesBeside(host.table, 'the host'), below[1]);
    // The guest moves pages into blocks that its recorded hypervisor never saw: it backs them when they are first used.
    const hypervisor = importedSpace(host.table, hostFrames, { backMissing: true });
    warnings.push(...applyPages(guest, spaces.process.page, backedFrames(beside, hypervisor)));
    warnings.push(...applyPages(host, spaces.vm.page, hostFrames));
    below[0] = importedSpace(host.table, hostFrames, { vmas: host.vmas });
    if (below[1] !== undefined)
      backGuest(host.table, below[1], { guest: input.hostTables, host: 'the modelled hypervisor' });
  }
  const process = importedSpace(guest.table, backedBy(beside, below[0]), {
    vmas: guest.vmas,
    backMissing: input.backMissing,
  });
  if (dimensionsOf[setup] > 1)
    backGuest(guest.table, below[0]!, { guest: input.tables, host: input.hostTables || 'the modelled hypervisor' });
  return { spaces: [process, ...below], warnings };
}

function backedBy(frames: FrameSource, below: AddressSpace | undefined): FrameSource {
  return below === undefined ? frames : backedFrames(frames, below);
}

type PagePolicy = TranslationConfig['spaces']['process']['page'];

/** Gives a recorded table the huge pages that the policy makes of it, and says in a sentence what became of it. */
function applyPages({ path, table }: LoadedTables, page: PagePolicy, frames: FrameSource): string[] {
  if (page !== 'thp' && page !== 'khugepaged') {
    let huge = 0;
    table.forEachLeaf((_vpn, _frame, level) => {
      if (level > 1) huge++;
    });
    return huge === 0 ? [] : [`${path}: ${huge} huge pages stay as recorded (--page ${page} splits none).`];
  }
  const { inPlace, moved, failed } = promoteHugePages(table, frames);
  const kept = failed === 0 ? '' : `, ${failed} stayed 4 KiB pages for want of a block`;
  return [
    `${path}: ${inPlace + moved} full 2 MiB ranges became huge pages (--page ${page}): ${inPlace} in place, ${moved} moved to a free block${kept}.`,
  ];
}

/** A recorded table says which pages exist; pages of one size throughout can only be modelled. */
function refuseForcedPages(space: 'process' | 'vm', page: PagePolicy): void {
  if (page !== '2m' && page !== '1g') return;
  throw new StrataError({
    code: 'tables.forced-page-size',
    what: `recorded tables cannot be made of ${page} pages`,
    where: `spaces.${space}.page (--page)`,
    expected: '4k (as recorded), or thp (every full 2 MiB range becomes a huge page)',
    found: page,
    mend: `Use --page thp; or leave the tables out, so that the model builds them; or set the page size of modelled spaces alone, such as --set spaces.${space === 'process' ? 'vm' : 'l1'}.page=${page}.`,
  });
}
