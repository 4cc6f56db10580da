export { setUpOf } from './csv.ts';
export * from './import.ts';
export type { KmemCounts } from './kmem.ts';
export { type Placement, pagewisePlacement, type Replay, replays } from './placement.ts';
