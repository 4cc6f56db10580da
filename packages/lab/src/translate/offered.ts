import { baselineDesign, type Setup, studyFields } from '@strata/model/translation';
import { type Configuration, isMapping } from '../config/load.ts';
import { designsWith, pluginDesigns } from './plugin.ts';

/**
 * The designs that a set-up has, of several that were asked for: `all` stands for every one of them, and those of a plugin need not be
 * named. A name that no design has stays, and so
 * does everything where no other design than the baseline would be left: the resolution refuses both.
 * @param given plugin loaded, before defaults are filled in
 * @returns the configuration, and a sentence for each design left out
 */
export function withOfferedDesigns(given: Configuration): { configuration: Configuration; leftOut: readonly string[] } {
  const { designs = [], mode, setup = studyFields.setup.default } = given;
  const plugin = typeof given.plugin === 'string' ? given.plugin : '';
  const asMapping = Array.isArray(designs) ? Object.fromEntries(designs.map((name) => [String(name), {}])) : designs;
  if (mode === 'compat' || !isMapping(asMapping)) return { configuration: given, leftOut: [] };
  const registry = designsWith(plugin);
  const own = pluginDesigns(plugin, Object.keys(asMapping)).map((name) => [name, {}] as const);
  const wanted: Configuration = { ...asMapping, ...Object.fromEntries(own) };
  const has = (name: string) => !registry.has(name) || registry.get(name).setups.includes(setup as Setup);
  const { all, ...named } = wanted;
  const every = all === undefined ? [] : [...registry].map(({ name }) => name).filter(has);
  const asked = { ...Object.fromEntries(every.map((name) => [name, {}])), ...named };
  const kept = Object.entries(asked).filter(([name]) => has(name));
  if (!kept.some(([name]) => name !== baselineDesign)) return { configuration: given, leftOut: [] };
  return {
    configuration: { ...given, designs: Object.fromEntries(kept) },
    leftOut: Object.keys(asked)
      .filter((name) => !has(name))
      .map(
        (name) => `${name} has no ${String(setup)} set-up (it has ${registry.get(name).setups.join(', ')}), left out.`,
      ),
  };
}
