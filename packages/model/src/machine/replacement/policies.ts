import { createRegistry } from '../registry.ts';
import { lfu } from './lfu.ts';
import { lru } from './lru.ts';
import { oracle } from './oracle.ts';
import type { ReplacementPolicy } from './policy.ts';
import { random } from './random.ts';
import { srrip } from './srrip.ts';
import { treePlru } from './tree-plru.ts';

export const policies = createRegistry<ReplacementPolicy>('replacement policy', [
  lru,
  lfu,
  treePlru,
  random,
  srrip,
  oracle,
]);
