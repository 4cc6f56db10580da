export * from './compat/build.ts';
export * from './compat/configuration-file.ts';
export * from './compat/records.ts';
export * from './compat/simulate.ts';
