export * from './address-spaces.ts';
export * from './demand-space.ts';
export * from './imported-space.ts';
export * from './promote.ts';
export * from './vmas.ts';
