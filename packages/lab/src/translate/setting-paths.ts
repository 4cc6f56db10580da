import { flatten, group, machineSpec, type Spec, StrataError } from '@strata/model/machine';
import { studyFields } from '@strata/model/translation';
import { compatFields, inputFields } from './configuration.ts';

const fields: Spec = {
  ...inputFields,
  ...compatFields,
  ...studyFields,
  machine: group({ ...machineSpec }, 'the machine'),
};
const settings = flatten(fields).map(({ path }) => path);
/** Checked where they are resolved, by whom they belong to: a plug-in brings designs, `compat` has constants of its own. */
const ownedElsewhere = ['designs', 'compat'];
/** A preset that a machine builds on is no field. */
const presetPaths = ['machine.extends'];

/**
 * The full path of a setting. Two parts may be left out: `machine` where the configuration has no such key of its own, and `page4k` of the
 * level of a TLB, whose array of 4 KiB pages is the main one: `tlb.l2.ways` is `machine.tlb.l2.page4k.ways`.
 * @throws StrataError `config.unknown-key` with the nearest setting
 */
export function settingPath(given: string): string {
  const path = completed(given);
  const isKnown =
    ownedElsewhere.includes(path.split('.')[0]!) ||
    presetPaths.includes(path) ||
    settings.some((setting) => setting === path || setting.startsWith(`${path}.`));
  if (isKnown) return path;
  throw new StrataError({
    code: 'config.unknown-key',
    what: `there is no setting ${given}`,
    where: '--set',
    mend: `Did you mean ${nearestTo(path).join(' or ')}? All of them: strata config show --resolved.`,
  });
}

function completed(path: string): string {
  const [head = '', ...tail] = path.split('.');
  const parts =
    !Object.hasOwn(fields, head) && Object.hasOwn(machineSpec, head) ? ['machine', head, ...tail] : [head, ...tail];
  const [top, part, level, key, ...more] = parts;
  const isArray = key === 'entries' || key === 'ways';
  if (top === 'machine' && part === 'tlb' && isArray && more.length === 0) return `machine.tlb.${level}.page4k.${key}`;
  return parts.join('.');
}

/** The settings that share most with a path: names first, wherever they stand, then spelling. */
function nearestTo(path: string): string[] {
  const scores = settings.map((setting) => distance(path.split('.'), setting.split('.')));
  const least = Math.min(...scores);
  return settings.filter((_, index) => scores[index] === least).slice(0, 3);
}

/** Edit distance of two lists of names: a name more or less costs 1, another one what its letters differ by. */
function distance(given: readonly string[], setting: readonly string[]): number {
  return alignment(given, setting, 0.9, nameDistance);
}

function nameDistance(given: string, name: string): number {
  const letters = alignment([...given.toLowerCase()], [...name.toLowerCase()], 1, (a, b) => (a === b ? 0 : 1));
  return (1.8 * letters) / Math.max(given.length, name.length);
}

function alignment(
  from: readonly string[],
  to: readonly string[],
  gap: number,
  change: (one: string, other: string) => number,
): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at * gap);
  for (const one of from) {
    const next = [row[0]! + gap];
    for (const [at, other] of to.entries())
      next.push(Math.min(row[at]! + change(one, other), row[at + 1]! + gap, next[at]! + gap));
    row = next;
  }
  return row.at(-1)!;
}
