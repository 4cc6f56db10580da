export * from './mechanism.ts';
export * from './selection.ts';
