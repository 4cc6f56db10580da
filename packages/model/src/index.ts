export * as elasticity from './elasticity/index.ts';
export * as machine from './machine/index.ts';
export * as translation from './translation/index.ts';
