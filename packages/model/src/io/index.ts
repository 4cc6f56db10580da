export * from './compat/build.ts';
export * from './compat/configuration-file.ts';
export * from './compat/identities.ts';
export * from './compat/log-events.ts';
export * from './compat/merge.ts';
export * from './compat/records.ts';
export * from './compat/simulate.ts';
