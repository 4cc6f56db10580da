export * from './compile.ts';
export * from './hierarchy.ts';
export * from './store.ts';
export * from './tlb.ts';
