export * from './claims.ts';
export * from './simulate.ts';
