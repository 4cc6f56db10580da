import { createRegistry, type Registry } from '../../machine/registry.ts';
import { freePageHinting } from './free-page-hinting.ts';
import { freePageReporting } from './free-page-reporting.ts';
import { hyperalloc } from './hyperalloc.ts';
import { staticMemory } from './static.ts';
import type { Technique } from './technique.ts';
import { virtioBalloon } from './virtio-balloon.ts';
import { virtioBalloonHuge } from './virtio-balloon-huge.ts';
import { virtioMem } from './virtio-mem.ts';

export const techniques: Registry<Technique> = createRegistry<Technique>('technique', [
  staticMemory,
  virtioBalloon,
  virtioBalloonHuge,
  freePageReporting,
  freePageHinting,
  virtioMem,
  hyperalloc,
]);
