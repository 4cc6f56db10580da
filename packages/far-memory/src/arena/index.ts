export type { Views } from './views.ts';
