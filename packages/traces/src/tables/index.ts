export * from './dmt-dump-writer.ts';
export * from './dump-rows.ts';
export type * from './imported-tables.ts';
export * from './load.ts';
export { parseMaps } from './maps.ts';
