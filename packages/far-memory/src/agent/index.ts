export type { AgentReport } from './context.ts';
export { openMetricsOf } from './metrics.ts';
export { type Agent, type AgentOptions, startAgent } from './start.ts';
