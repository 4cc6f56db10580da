import { StrataError, suggestion } from '@strata/model/machine';
import {
  checkConditions,
  conditionsOf,
  exitReasons,
  isReflected,
  kvmReflection,
  mechanisms,
  parseReflection,
  profileFileOf,
  profiles,
  type ReflectionRule,
  reasonName,
  reasonNamed,
} from '@strata/model/nesting';
import type { Command } from 'commander';
import { loadConfiguration } from '../config/load.ts';
import { writeFileAtomically } from '../terminal/atomic-files.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import { renderTable, type Table } from '../terminal/table.ts';
import { addProfileOptions, type ProfileOptions, profileOf } from './options.ts';

interface ProfilesOptions extends OutputOptions, ProfileOptions {
  readonly kinds?: boolean;
  readonly out?: string;
}

interface ReflectOptions extends OutputOptions {
  readonly when: string;
  readonly table?: string;
}

/** What can be named: profiles, kinds, mechanisms, and the table of reflected exits. */
export function registerProfiles(parent: Command): void {
  const list = parent
    .command('profiles')
    .description('machines and hypervisors that are modelled, or the exit kinds of one');
  addProfileOptions(list)
    .option('--kinds', 'the exit kinds of --profile')
    .option('--out <file>', 'write --profile as a file to edit, for --profile-file');
  addExamples(addOutputOptions(list), [
    'strata nest profiles',
    'strata nest profiles --kinds --profile amd-svm',
  ]).action(async (options: ProfilesOptions) => {
    const { kinds, out, profile: name, profileFile } = options;
    if (kinds !== true && out === undefined && name === undefined && profileFile === undefined) {
      const rows = [...profiles].map(({ name, summary, source, deepest }) => ({
        name,
        summary,
        deepest: deepest?.level ?? null,
        source,
      }));
      const table: Table = { name: 'profiles', columns: textColumns('name', 'summary', 'deepest', 'source'), rows };
      return emit({ document: { profiles: rows }, tables: [table] }, options);
    }
    const profile = await profileOf(options);
    if (out !== undefined) {
      const { stringify } = await import('yaml');
      writeFileAtomically(out, stringify(profileFileOf(profile)));
    }
    const rows = Object.entries(profile.kinds).map(([kind, { swCycles, handler, handledBy, basis }]) => ({
      kind,
      swCycles,
      handledBy,
      handler: Object.entries(handler)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
      basis,
    }));
    const table: Table = {
      name: 'kinds',
      columns: textColumns('kind', 'swCycles', 'handledBy', 'handler', 'basis'),
      rows,
    };
    return emit(
      {
        document: { ...profile },
        tables: [table],
        text: [
          `${profile.name}: ${profile.summary}`,
          `Source: ${profile.source}`,
          `Constants: ${Object.entries(profile.constants)
            .map(([name, basis]) => `${name} ${basis}`)
            .join(', ')}`,
          '',
          renderTable(table),
          '',
          ...profile.notes,
        ].join('\n'),
      },
      options,
    );
  });

  const which = parent
    .command('mechanisms')
    .description('what DVH takes away from guest hypervisors, what is left to them, and migration');
  addExamples(addOutputOptions(which), ['strata nest mechanisms', 'strata nest mechanisms --json']).action(
    async (options: OutputOptions) => {
      const rows = [...mechanisms].map(({ name, summary, kinds, guestHypervisor, migration }) => ({
        name,
        summary,
        kinds: kinds.join(', '),
        guestHypervisor,
        migration,
      }));
      const table: Table = { name: 'mechanisms', columns: textColumns('name', 'summary', 'kinds'), rows };
      const text = rows
        .map(
          (row) =>
            `${row.name} (${row.kinds}): ${row.summary}\n  The guest hypervisor ${row.guestHypervisor}\n  Migration: ${row.migration}`,
        )
        .join('\n\n');
      await emit({ document: { mechanisms: rows }, tables: [table], text }, options);
    },
  );

  const reflect = parent
    .command('reflect')
    .argument('[reason]', 'exit reason as KVM prints it; the whole table when absent')
    .description('whether L0 hands an exit of a nested guest to the guest hypervisor');
  reflect
    .option('--when <conditions>', 'controls of vmcs12 and facts of the exit that hold, separated by commas', '')
    .option('--table <file>', 'rules of your own, YAML: `HLT: never`, `RDTSC: [rdtsc-exiting]`');
  addExamples(addOutputOptions(reflect), ['strata nest reflect HLT --when hlt-exiting', 'strata nest reflect']).action(
    async (reason: string | undefined, options: ReflectOptions) => {
      const rules =
        options.table === undefined
          ? kvmReflection
          : parseReflection(await loadConfiguration(options.table), options.table);
      const conditions = checkConditions(
        options.when
          .split(',')
          .map((word) => word.trim())
          .filter(Boolean),
        rules,
      );
      const wanted = reason === undefined ? undefined : exitReasonOf(reason, rules);
      const rows = rules
        .filter(({ reasons }) => wanted === undefined || reasons.includes(wanted))
        .flatMap(({ reasons, lines, note = '' }) =>
          (wanted === undefined ? reasons : [wanted]).map((name) => ({
            reason: name,
            reflected: isReflected(name, conditions, rules),
            dependsOn: lines.flatMap(({ when }) => (when.length > 0 ? [when.join(' and ')] : [])).join('; '),
            note,
          })),
        );
      const shown =
        rows.length > 0 || wanted === undefined
          ? rows
          : [{ reason: wanted, reflected: true, dependsOn: '', note: 'Not in the table: reflected.' }];
      const table: Table = {
        name: 'reflection',
        columns: [
          { name: 'reason', type: 'text' },
          { name: 'reflected', type: 'flag' },
          ...textColumns('dependsOn', 'note'),
        ],
        rows: shown,
      };
      await emit(
        { document: { conditions: [...conditions], known: conditionsOf(rules), reasons: shown }, tables: [table] },
        options,
      );
    },
  );
}

/** A reason of the table, of the user's rules, or any other that Linux prints for Intel: those are always reflected. */
function exitReasonOf(word: string, rules: readonly ReflectionRule[]): string {
  const ruled = rules.flatMap(({ reasons }) => reasons);
  const name = reasonName(word);
  if (ruled.includes(name) || ruled.includes(word)) return ruled.includes(name) ? name : word;
  if (reasonNamed(name)?.vendor === 'intel') return name;
  const known = exitReasons.flatMap(({ name, vendor }) => (vendor === 'intel' ? [name] : []));
  throw new StrataError({
    code: 'usage.reason',
    what: `${word} is no exit reason of VMX`,
    expected: 'a reason as KVM prints it for Intel, its number, or one of the rules in --table',
    mend: suggestion(name, [...new Set([...ruled, ...known])]),
  });
}

function textColumns(...names: string[]): Table['columns'] {
  return names.map((name) => ({
    name,
    type: name === 'swCycles' || name === 'deepest' ? ('integer' as const) : ('text' as const),
  }));
}
