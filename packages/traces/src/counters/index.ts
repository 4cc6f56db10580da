export * from './perf-stat.ts';
