export * from './formats/drmemtrace-schedule.ts';
export * from './formats/format.ts';
export { formats } from './formats/registry.ts';
export * from './generators/index.ts';
export * from './input/input.ts';
export * from './native/index.ts';
export * from './open.ts';
export * from './reader.ts';
