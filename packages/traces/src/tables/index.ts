export * from './dmt-dump.ts';
export * from './dmt-dump-writer.ts';
export type * from './imported-tables.ts';
