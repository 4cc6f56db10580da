export * from './advise.ts';
export * from './claims.ts';
export * from './cost.ts';
export * from './hybrid-pool.ts';
export * from './lru-curve.ts';
export * from './simulate.ts';
