export type { SyncMode } from '../client/sync-reader.ts';
export type { AgentHealth, HealthReport } from '../remote-store.ts';
export { type Cluster, type ClusterOptions, connectAgents } from './store.ts';
