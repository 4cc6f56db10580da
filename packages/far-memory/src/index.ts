export * from './errors.ts';
export type * from './remote-store.ts';
