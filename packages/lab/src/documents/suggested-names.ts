import { hostProfiles, techniques } from '@strata/model/elasticity';
import { ioArchitectures, ioWorkloads, protectionSchemes } from '@strata/model/io';
import { machines } from '@strata/model/machine';
import { profiles } from '@strata/model/nesting';
import { designs } from '@strata/model/translation';

type Names = readonly string[];

/** Names of the registries that an option of a noun takes beside files or plugins, so that they are no fixed choices. */
const byNoun: Readonly<Record<string, Readonly<Record<string, Names>>>> = {
  translate: {
    '--designs': ['all', ...designs.names],
    '--design': designs.names,
    '--machine': machines.names,
  },
  io: {
    '--designs': [...ioArchitectures.names, ...protectionSchemes.names],
    '--architecture': ioArchitectures.names,
    '--scheme': protectionSchemes.names,
    '--workload': ioWorkloads.names,
  },
  nest: { '--profile': profiles.names },
  elastic: { '--technique': techniques.names, '--profile': hostProfiles.names },
};

/** @param path the words of a command: `translate run` */
export function suggestedNames(path: string, option: string): Names | undefined {
  return byNoun[path.split(' ')[0]!]?.[option];
}
