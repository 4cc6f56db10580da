export * from './native/index.ts';
export * from './reader.ts';
