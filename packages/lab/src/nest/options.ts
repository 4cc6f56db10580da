import { StrataError } from '@strata/model/machine';
import { type Profile, parseProfile, profiles, type Selection, selectMechanisms } from '@strata/model/nesting';
import type { Command } from 'commander';
import { loadConfiguration } from '../config/load.ts';

/** Options by which every verb names a machine. */
export interface ProfileOptions {
  readonly profile?: string;
  readonly profileFile?: string;
}

export interface DvhOptions {
  readonly dvh?: string;
  readonly providers?: string;
  readonly consumers?: string;
}

export function addProfileOptions(command: Command): Command {
  return command
    .option('--profile <name>', 'machine and hypervisors (strata nest profiles)')
    .option('--profile-file <file>', 'a profile of your own, YAML or JSON');
}

export function addDvhOptions(command: Command): Command {
  return command
    .option('--dvh <list>', 'none, vp, dvh, or a list of vp, posted, timer, ipi, idle, prototype', 'none')
    .option('--providers <levels>', 'hypervisors that provide the mechanisms, such as 0,1; all when absent')
    .option('--consumers <levels>', 'hypervisors that use what they are given; all when absent');
}

/** @throws StrataError for an unknown name or a bad file */
export async function profileOf({ profile, profileFile }: ProfileOptions): Promise<Profile> {
  if (profileFile !== undefined) {
    if (profile !== undefined)
      throw new StrataError({
        code: 'usage.conflict',
        what: '--profile and --profile-file exclude each other',
        mend: 'Write `extends: NAME` in the file to start from a profile.',
      });
    return parseProfile(await loadConfiguration(profileFile), profileFile);
  }
  return profiles.get(profile ?? 'dvh-paper');
}

/**
 * @param level of the guest that exits: its hypervisors are 0 to `level` - 1
 * @throws StrataError for an unknown mechanism, or a hypervisor that is not below the guest
 */
export function selectionOf({ dvh = 'none', providers, consumers }: DvhOptions, level: number): Selection {
  return selectMechanisms(dvh, {
    ...(providers !== undefined && { providers: hypervisorsOf(providers, '--providers', level) }),
    ...(consumers !== undefined && { consumers: hypervisorsOf(consumers, '--consumers', level) }),
  });
}

function hypervisorsOf(text: string, option: string, level: number): number[] {
  if (text.trim() === 'none') return [];
  const levels = text.split(',').map((word) => wholeNumber(word, option));
  const above = levels.find((hypervisor) => hypervisor >= level);
  if (above !== undefined)
    throw new StrataError({
      code: 'usage.level',
      what: `no hypervisor at level ${above} is below a guest at level ${level}`,
      where: option,
      expected: level === 1 ? '0, or none' : `levels from 0 to ${level - 1}, separated by commas, or none`,
      found: text,
    });
  return levels;
}

/** @throws StrataError `usage.number` */
export function wholeNumber(text: string, option: string, least = 0): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < least)
    throw noNumber(option, `an integer of at least ${least}`, text);
  return value;
}

/** @throws StrataError `usage.number` */
export function positiveNumber(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0) || value === Infinity) throw noNumber(option, 'a number above 0', text);
  return value;
}

function noNumber(option: string, expected: string, found: string): StrataError {
  return new StrataError({
    code: 'usage.number',
    what: 'not a number it can be',
    where: option,
    expected,
    found: found === '' ? 'nothing' : found,
  });
}

/** Names that people use for kinds, beside those of the profile. */
const kindAliases: ReadonlyMap<string, string> = new Map(
  Object.entries({
    idle: 'hlt',
    vmcall: 'hypercall',
    vmwrite: 'vmread',
    vm: 'vmread',
    pagefault: 'ept',
  }),
);

export function kindOf(profile: Profile, word: string): string {
  if (Object.hasOwn(profile.kinds, word)) return word;
  return kindAliases.get(word.toLowerCase()) ?? word.toLowerCase();
}
