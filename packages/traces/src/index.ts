export * from './generators/index.ts';
export * from './native/index.ts';
export * from './reader.ts';
