import { StrataError } from '../machine/errors.ts';
import { choice, group, integer, real, resolve, type Spec, type ValuesOf } from '../machine/fields.ts';
import type { MachineConfig } from '../machine/machine-config.ts';
import { resolveMachine } from '../machine/machine-file.ts';
import type { Registry } from '../machine/registry.ts';
import { activityFields } from './activity-config.ts';
import type { Design, Setup } from './design.ts';
import { designs as knownDesigns } from './designs/index.ts';

/** The design that every speedup is measured against. It always runs. */
export const baselineDesign = 'radix';

function space(summary: string) {
  return group(
    {
      page: choice(
        ['4k', '2m', '1g', 'thp', 'khugepaged'],
        '4k',
        'page size of its table; thp: 2 MiB at the fault where memory has a block; khugepaged: 4 KiB, collapsed later',
      ),
      levels: integer(4, 'levels of its table', { min: 4, max: 5, unit: 'levels' }),
      memoryGiB: real(0, 'physical memory below it; 0 = as much as the trace needs', { min: 0, unit: 'GiB' }),
      fragmentation: real(0, 'state of that memory at the start: 0 = freshly booted, 1 = no free 2 MiB block', {
        min: 0,
        max: 1,
      }),
    },
    summary,
  );
}

/** The fields of a study's configuration beside `machine` and `designs`. */
export const studyFields = {
  setup: choice(
    ['native', 'virtualized', 'nested'],
    'native',
    'what lies under the process: nothing, a VM, a VM in a VM',
  ),
  spaces: group(
    {
      process: space('the process: its page table, in the memory that its operating system manages'),
      vm: space('the VM it runs in (nested: L2): its table at its hypervisor, and that hypervisor’s memory'),
      l1: space('nested only: the VM of L1, its table at L0, and the memory of the host'),
    },
    'address spaces that the operating-system model builds; imported tables take their place',
  ),
  activity: activityFields,
  warmup: integer(
    0,
    'accesses before counting begins: caches, TLBs, walk caches and tables keep what they hold, every count restarts at 0',
    { unit: 'accesses' },
  ),
  seed: integer(42, 'seed of everything random'),
  engine: choice(
    ['printed', 'interpreted'],
    'printed',
    'hot loops printed for the geometry, or the same loops as they stand in the source; the results are equal',
  ),
} satisfies Spec;

/** A resolved configuration: every value present and checked. Plain data; two equal ones give equal results on equal input. */
export interface TranslationConfig extends ValuesOf<typeof studyFields> {
  readonly setup: Setup;
  /** The machine, resolved. */
  readonly machine: MachineConfig;
  /** Designs to run with all their parameters, in the order of the report; the baseline is among them. */
  readonly designs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * What a user gives: fields of `studyFields`; `machine`: a preset's name, or an object with `extends` and what differs; `cores` and
 * `prefetcher`: shorthands that override the machine's; `page`: shorthand for the page of every space that does not say its own; `designs`: names, or an object from name to parameters.
 * @throws StrataError `config.*`, `registry.unknown-name`, `translation.setup-not-offered`
 */
export function resolveTranslationConfig(
  given: Readonly<Record<string, unknown>>,
  registry: Registry<Design> = knownDesigns,
): TranslationConfig {
  const { machine, cores, prefetcher, page, designs = [baselineDesign], ...rest } = given;
  const study = resolve(studyFields, page === undefined ? rest : withPage(rest, page));
  return {
    ...study,
    machine: resolveStudyMachine(machine, { cores, prefetcher }),
    designs: resolveDesigns(designs, study.setup, registry),
  };
}

function withPage(rest: Readonly<Record<string, unknown>>, page: unknown): Record<string, unknown> {
  const given = isRecord(rest.spaces) ? rest.spaces : {};
  const spaces = ['process', 'vm', 'l1'].map((name) => [name, { page, ...(isRecord(given[name]) ? given[name] : {}) }]);
  return { ...rest, spaces: { ...given, ...Object.fromEntries(spaces) } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The machine with the shorthands of the command line applied last. */
function resolveStudyMachine(machine: unknown, shorthands: Readonly<Record<string, unknown>>): MachineConfig {
  const given = Object.fromEntries(Object.entries(shorthands).filter(([, value]) => value !== undefined));
  if (Object.keys(given).length === 0) return resolveMachine(machine);
  if (machine === undefined) return resolveMachine(given);
  if (typeof machine === 'string') return resolveMachine({ extends: machine, ...given });
  return resolveMachine(isRecord(machine) ? { ...machine, ...given } : machine);
}

function resolveDesigns(given: unknown, setup: Setup, registry: Registry<Design>): TranslationConfig['designs'] {
  const wanted = Array.isArray(given) ? Object.fromEntries(given.map((name) => [String(name), {}])) : given;
  if (!isRecord(wanted))
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'wrong type',
      where: 'designs',
      expected: 'a list of names, or an object from name to parameters',
      found: JSON.stringify(given) ?? String(given),
    });
  const withBaseline = Object.hasOwn(wanted, baselineDesign) ? wanted : { [baselineDesign]: {}, ...wanted };
  return Object.fromEntries(
    Object.entries(withBaseline).map(([name, options]) => {
      const design = registry.get(name);
      if (!design.setups.includes(setup))
        throw new StrataError({
          code: 'translation.setup-not-offered',
          what: `design ${name} has no ${setup} set-up`,
          where: `designs.${name}`,
          expected: `one of ${design.setups.join(', ')}`,
          found: setup,
          mend: `Leave ${name} out, or choose another set-up.`,
        });
      return [name, resolve(design.spec, options ?? {}, `designs.${name}`)];
    }),
  );
}
