export * from './collector-log.ts';
export * from './translation-records.ts';
