export * from './formats/drmemtrace-schedule.ts';
export * from './formats/format.ts';
export { formats } from './formats/registry.ts';
export * from './input/input.ts';
export * from './open.ts';
export * from './reader.ts';
