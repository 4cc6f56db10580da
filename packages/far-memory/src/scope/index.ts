export type { Scope } from './scope.ts';
