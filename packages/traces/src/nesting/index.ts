export * from './artifact-results.ts';
export * from './import.ts';
export * from './recording.ts';
export * from './reports.ts';
export * from './ring-buffer.ts';
export * from './vmexit.ts';
