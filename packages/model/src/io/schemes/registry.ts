import { resolve, type Spec, type ValuesOf } from '../../machine/fields.ts';
import { createRegistry, type Registry } from '../../machine/registry.ts';
import { contiguous } from './contiguous.ts';
import { deferred } from './deferred.ts';
import { hugePages } from './huge-pages.ts';
import { passthrough } from './passthrough.ts';
import { persistentPools } from './persistent-pools.ts';
import { recorded } from './recorded.ts';
import { riommu } from './riommu.ts';
import type { ProtectionScheme } from './scheme.ts';
import { shadowCopies } from './shadow-copies.ts';
import { strict } from './strict.ts';

export const protectionSchemes: Registry<ProtectionScheme> = createRegistry<ProtectionScheme>('protection scheme', [
  passthrough,
  strict,
  deferred,
  persistentPools,
  shadowCopies,
  riommu,
  contiguous,
  hugePages,
  recorded,
]);

/** A scheme's parameters with their defaults. @throws StrataError `registry.unknown-name`, `config.*` */
export function resolveScheme(name: string, given: unknown = {}): { scheme: ProtectionScheme; values: ValuesOf<Spec> } {
  const scheme = protectionSchemes.get(name);
  return { scheme, values: resolve(scheme.spec, given, `scheme.${name}`) };
}
