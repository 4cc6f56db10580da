export * from './atomic-files.ts';
export * from './interrupt.ts';
export * from './output.ts';
export * from './parquet.ts';
export * from './progress.ts';
export * from './quantities.ts';
export * from './table.ts';
