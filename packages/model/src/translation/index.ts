export * from './activity.ts';
export * from './activity-config.ts';
export * from './assumptions.ts';
export * from './claims.ts';
export * from './claims-tables.ts';
export * from './config.ts';
export * from './demand-spaces.ts';
export * from './design.ts';
export { designs } from './designs/index.ts';
// For designs that fall back to the tables of the operating system.
export { walkDimensions } from './designs/radix.ts';
export * from './explain.ts';
export * from './resizing.ts';
export * from './result.ts';
export * from './sampling.ts';
export * from './simulate.ts';
export * from './sum-results.ts';
export { createRadixWalker, type RadixWalker, type WalkDimension } from './walker.ts';
