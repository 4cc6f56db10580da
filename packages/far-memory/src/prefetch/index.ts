export type { PrefetchWindowChoice } from './window.ts';
