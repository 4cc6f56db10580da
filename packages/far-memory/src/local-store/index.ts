export { createLocalStore, type LocalStoreOptions } from './local-store.ts';
export { createUnreliableStore, type UnreliableStore, type UnreliableStoreOptions } from './unreliable-store.ts';
