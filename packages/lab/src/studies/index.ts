export * from './perform.ts';
export * from './registry.ts';
export * from './study.ts';
