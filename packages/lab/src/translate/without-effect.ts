import { StrataError } from '@strata/model/machine';
import { type Configuration, isMapping } from '../config/load.ts';
import { inputFields } from './configuration.ts';
import { refuseTwice, type TranslateOptions } from './options.ts';

/**
 * Refuses what one run would silently ignore. Comparisons and sweeps go over set-ups, some of which may use what others do not.
 * @param options as typed; a configuration file may hold every default, so that what is shown resolved can be given back
 * @param given before defaults are filled in
 * @param resolved with them
 * @throws StrataError `usage.no-effect`, `usage.designs`
 */
export function refuseWithoutEffect(options: TranslateOptions, given: Configuration, resolved: Configuration): void {
  const { mode, setup, hostTables, quirks } = resolved;
  if ((options.quirks !== undefined || quirks !== inputFields.quirks.default) && mode !== 'compat')
    throw noEffect('--quirks', 'quirks belong to compat mode', 'Add --mode compat, or leave --quirks out.');
  if (hostTables !== '' && setup === 'native')
    throw noEffect(
      '--host-tables',
      'the native set-up has no hypervisor',
      'Use --setup virtualized or nested, or leave --host-tables out.',
    );
  if (Array.isArray(given.designs)) refuseTwice(given.designs.map(String), 'designs');
  if (isMapping(given.machine) && Object.keys(given.machine).length === 0)
    throw noEffect('machine', 'the machine is empty', 'Name a preset or describe it, or leave it out.');
}

function noEffect(where: string, what: string, mend: string): StrataError {
  return new StrataError({ code: 'usage.no-effect', what, where, mend });
}
