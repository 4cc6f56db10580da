export { createLocalStore, type LocalStoreOptions, type OperatorRunner } from './local-store.ts';
export { createUnreliableStore, type UnreliableStore, type UnreliableStoreOptions } from './unreliable-store.ts';
