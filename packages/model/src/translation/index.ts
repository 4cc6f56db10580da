export * from './claims.ts';
export * from './claims-tables.ts';
export * from './config.ts';
export * from './demand-spaces.ts';
export * from './design.ts';
export { designs } from './designs/index.ts';
export * from './explain.ts';
export * from './result.ts';
export * from './simulate.ts';
