export * from './address.ts';
export * from './bytes.ts';
export * from './call.ts';
export * from './frames.ts';
export * from './hello.ts';
export * from './object-index.ts';
