export * from './dmt-dump-writer.ts';
export type * from './imported-tables.ts';
export * from './load.ts';
