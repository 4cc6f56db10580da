export * from './belady.ts';
export * from './policies.ts';
export type * from './policy.ts';
