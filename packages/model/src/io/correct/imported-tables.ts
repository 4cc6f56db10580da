import { StrataError } from '../../machine/errors.ts';
import type { PageTable } from '../../machine/page-table.ts';
import type { ProtectionScheme } from '../schemes/scheme.ts';
import type { IoMachine } from './config.ts';

/**
 * Recorded tables of a domain, in place of those that the model builds. With one dimension they are the domain's own: the second level that
 * VFIO maps a VM's memory by, whose devices use guest-physical addresses, or a process's, whose addresses its device shares. With two they
 * are the host's below the guest's own. Undefined: nothing of that domain was recorded.
 */
export type ImportedTables = (domain: number) => PageTable | undefined;

/**
 * Whether recorded tables have a place in the machine.
 * @param hasQueues packets for queues, whose addresses the driver chooses
 * @throws StrataError `io.tables-scheme`, `io.tables-queues`
 */
export function checkImportedTables(
  { dimensions }: Pick<IoMachine, 'dimensions'>,
  scheme: ProtectionScheme,
  hasQueues: boolean,
): void {
  const mend =
    'Use --set dimensions=2, where they are the tables of the host below those that the driver fills; or --scheme persistent-pools and a trace, whose addresses they have.';
  if (scheme.translation !== 'tables')
    throw new StrataError({
      code: 'io.tables-scheme',
      what: `scheme ${scheme.name}, under which no page table is walked`,
      where: '--tables',
      mend: 'Use a scheme with page tables, such as persistent-pools.',
    });
  if (dimensions === '2') return;
  if (scheme.recordedLevel !== 0 || scheme.replays === true)
    throw new StrataError({
      code: 'io.tables-scheme',
      what: `scheme ${scheme.name}, whose driver maps the pages of a domain itself`,
      where: '--tables',
      mend,
    });
  if (hasQueues)
    throw new StrataError({
      code: 'io.tables-queues',
      what: 'packets for queues, whose addresses the driver chooses and no recorded tables have',
      where: '--tables',
      mend,
    });
}
