export * from './manifest.ts';
export * from './query.ts';
export * from './run-folder.ts';
export * from './verify.ts';
