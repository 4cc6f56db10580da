import type { Claim } from '../machine/claims.ts';
import { resolveTranslationConfig } from './config.ts';
import { demandSpaces } from './demand-spaces.ts';
import { designStatements } from './design-claims.ts';
import { explainWalk } from './explain.ts';

const none = { level5: { entries: 0 }, level4: { entries: 0 }, level3: { entries: 0 }, level2: { entries: 0 } };

/** References of one cold walk of the engine, on a machine without walk caches. */
function coldReferences(study: Readonly<Record<string, unknown>>, design = 'radix'): number {
  const config = resolveTranslationConfig({
    ...study,
    designs: design.endsWith('dmt') ? { [design]: { minVmaMiB: 0 } } : [design],
    machine: { pageWalkCaches: none, hostPageWalkCaches: none, cores: 1 },
  });
  return explainWalk(config, demandSpaces(config)(0), { design, vpn: 0x7f12_3456 }).references.filter(
    ({ awaited }) => awaited,
  ).length;
}

const fiveLevels = { process: { levels: 5 }, vm: { levels: 5 } };

/** One statement about the number of references of a cold walk, with its measurement. */
function cold(
  name: string,
  references: number,
  { statement, source, published }: Pick<Claim, 'statement' | 'source' | 'published'>,
  measure: () => number,
): { readonly claim: Claim; readonly measure: () => number } {
  const measureName = `translation.cold-references.${name}`;
  return {
    claim: {
      id: measureName,
      statement,
      source,
      published,
      expectation: { kind: 'equals', value: references, tolerance: 0 },
      unit: 'references',
      measure: measureName,
    },
    measure,
  };
}

const closedForm = 'closed form (g + 1)(h + 1) - 1 of a two-dimensional walk: Bhargava et al., ASPLOS 2008';

const oneTwoThree = 'one, two and three references natively, in a VM and in a nested VM';

const statements = [
  ...(['native', 'virtualized', 'nested'] as const).flatMap((setup, index) => [
    cold(
      `dmt-${setup}`,
      [1, 3, 7][index]!,
      {
        statement: `with DMT a cold ${setup} walk makes ${[1, 3, 7][index]} reference${index === 0 ? '' : 's'}: 2^n - 1 in n dimensions`,
        source:
          index === 0
            ? 'DMT, ASPLOS 2024, abstract'
            : 'DMT artifact, processor/Formula.cs (G4H4 + G4 + UDH4 in a VM), and the same once more for a nested VM',
        published: String([1, 3, 7][index]),
      },
      () => coldReferences({ setup }, 'dmt'),
    ),
    cold(
      `pvdmt-${setup}`,
      index + 1,
      {
        statement: `with pvDMT a cold ${setup} walk makes ${index + 1} reference${index === 0 ? '' : 's'}: as many as dimensions`,
        source: 'DMT, ASPLOS 2024, abstract',
        published: oneTwoThree,
      },
      () => coldReferences({ setup }, 'pvdmt'),
    ),
  ]),
  ...designStatements,
  cold(
    'native',
    4,
    { statement: 'a cold native walk makes 4 references', source: 'Intel SDM vol. 3, 5.5', published: '4' },
    () => coldReferences({ setup: 'native' }),
  ),
  cold(
    'virtualized',
    24,
    {
      statement: 'a cold walk in a VM makes up to 24 sequential references',
      source: 'DMT, ASPLOS 2024, abstract',
      published: 'up to 24 sequential PTE fetches',
    },
    () => coldReferences({ setup: 'virtualized' }),
  ),
  cold(
    'virtualized-5-level',
    35,
    {
      statement: 'with five levels in guest and host a cold walk makes 35 references',
      source: closedForm,
      published: '35',
    },
    () => coldReferences({ setup: 'virtualized', spaces: fiveLevels }),
  ),
  cold(
    'virtualized-2m',
    15,
    {
      statement: 'with 2 MiB pages in guest and host a cold walk makes 15 references',
      source: closedForm,
      published: '15',
    },
    () => coldReferences({ setup: 'virtualized', page: '2m' }),
  ),
  cold(
    'virtualized-1g',
    8,
    {
      statement: 'with 1 GiB pages in guest and host a cold walk makes 8 references',
      source: closedForm,
      published: '8',
    },
    () => coldReferences({ setup: 'virtualized', page: '1g' }),
  ),
  cold(
    'nested',
    124,
    {
      statement: 'a cold three-dimensional walk in a nested VM makes 124 references',
      source: 'the closed form applied twice',
      published: '124',
    },
    () => coldReferences({ setup: 'nested' }),
  ),
  cold(
    'shadow-virtualized',
    4,
    {
      statement: 'under shadow paging a cold walk in a VM makes as few references as natively: 4',
      source: 'Adams and Agesen, ASPLOS 2006: the hardware walks the one table that the hypervisor keeps',
      published: '<= 4',
    },
    () => coldReferences({ setup: 'virtualized' }, 'shadow'),
  ),
  cold(
    'shadow-nested',
    24,
    {
      statement: 'with EPT shadowed by L0, as KVM does, a cold walk in a nested VM makes as many as in a VM: 24',
      source:
        'KVM documentation, nested EPT; DMT artifact, processor/Formula.cs: vanilla nested is a two-dimensional walk of 24 steps',
      published: '24',
    },
    () => coldReferences({ setup: 'nested' }, 'shadow'),
  ),
];

/** What publications and manuals say about the walk, as far as it is verified. */
export const translationClaims: readonly Claim[] = statements.map(({ claim }) => claim);

/** Measurement by the name that a claim gives. Each runs the engine. */
export const translationMeasurements: ReadonlyMap<string, () => number> = new Map(
  statements.map(({ claim, measure }) => [claim.measure, measure]),
);
