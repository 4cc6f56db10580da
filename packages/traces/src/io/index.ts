export * from './collector-log.ts';
export * from './context-tables.ts';
export * from './recognize.ts';
export * from './recording.ts';
export * from './stock-log.ts';
export * from './translation-records.ts';
