import type { PartialValuesOf } from '../../machine/fields.ts';
import type { Named } from '../../machine/registry.ts';
import type { ConfigurationFile } from '../compat/configuration-file.ts';
import { type IoMachine, type ioMachineSpec, resolveIoMachine } from '../correct/config.ts';

/**
 * How translation is built: the caches and how many translations may be pending. Adding one is one file and one line in `registry.ts`; that
 * yields its place in `strata io sweep` in either mode, in the schema, in the documentation and in the contract suite.
 */
export interface IoArchitecture extends Named {
  readonly source: string;
  readonly configuration: ConfigurationFile;
  readonly queueEntries: number;
  /** What only the machine of `correct` has; an architecture with it is none of the original's. */
  readonly machine?: PartialValuesOf<typeof ioMachineSpec>;
}

/** The original's context cache has all its 1536 entries in one set, which no hardware searches at once; this one has sets. */
const widestWays = 16;

/** Caches of a configuration as fields of the machine: its IOTLB is the device's TLB, its page caches are the walker's. */
export function machineFields({
  contextCache,
  deviceTlb,
  l2PageCache,
  l3PageCache,
  prefetch,
}: ConfigurationFile): PartialValuesOf<typeof ioMachineSpec> {
  const { bufferEntries, historyDepth, distance } = prefetch;
  const isWide = contextCache.ways > widestWays && contextCache.entries % widestWays === 0;
  return {
    contextCache: isWide ? { ...contextCache, ways: widestWays } : contextCache,
    deviceTlb,
    l2Cache: l2PageCache,
    l3Cache: l3PageCache,
    ...(bufferEntries > 0 && { prefetch: { entries: bufferEntries, history: historyDepth, distance } }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** What an architecture sets of the machine. */
export function fieldsOfArchitecture({ configuration, queueEntries, machine }: IoArchitecture): Fields {
  return { ...machineFields(configuration), queueEntries, ...machine };
}

/** `over` wins, in groups (`iotlb`) field by field. */
export function merged(base: Fields, over: Fields): Fields {
  const isGroup = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
  const both = Object.entries(over).map(([name, value]) => {
    const below = base[name];
    return [name, isGroup(below) && isGroup(value) ? { ...below, ...value } : value];
  });
  return { ...base, ...Object.fromEntries(both) };
}

/** The machine of `correct` with that architecture. @param given fields that override it @throws StrataError `config.*` */
export function machineOfArchitecture(architecture: IoArchitecture, given: Fields = {}): IoMachine {
  return resolveIoMachine(merged(fieldsOfArchitecture(architecture), given));
}

/** Whether the original's model can run it. */
export function isOfOriginal({ machine }: IoArchitecture): boolean {
  return machine === undefined;
}
